"""What holds for every request and response, and neither Django nor django-csp provides."""

import uuid
from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from structlog.contextvars import bound_contextvars

GetResponse = Callable[[HttpRequest], HttpResponse]

# Features that no page uses; a script that got in could not use them either.
REFUSED = "accelerometer camera geolocation gyroscope magnetometer microphone midi payment usb"
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in REFUSED.split())


def request_id(get_response: GetResponse) -> GetResponse:
    """Put an id on every log line of a request, and into its response."""

    def middleware(request: HttpRequest) -> HttpResponse:
        identifier = uuid.uuid4().hex
        with bound_contextvars(request_id=identifier):
            response = get_response(request)
        response.headers["X-Request-ID"] = identifier
        return response

    return middleware


def permissions_policy(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["Permissions-Policy"] = PERMISSIONS_POLICY
        return response

    return middleware


def no_null_characters(get_response: GetResponse) -> GetResponse:
    """Form fields refuse them, but the admin's filters pass them on to PostgreSQL, which accepts
    none."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address contains a null character.")
        return get_response(request)

    return middleware


def not_stored(get_response: GetResponse) -> GetResponse:
    """Neither browser nor proxy keeps a page of a signed-in person or of the way in; and what a
    browser kept is removed at sign-out."""

    def middleware(request: HttpRequest) -> HttpResponse:
        was_signed_in = request.user.is_authenticated
        response = get_response(request)
        if was_signed_in or request.user.is_authenticated or request.path.startswith("/account/"):
            patch_cache_control(response, no_store=True, private=True)
        if was_signed_in and not request.user.is_authenticated:
            response.headers["Clear-Site-Data"] = '"cache"'
        return response

    return middleware


def time_zone(get_response: GetResponse) -> GetResponse:
    """Show times in the reader's time zone."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", None)
        with timezone.override(ZoneInfo(name) if name else None):
            return get_response(request)

    return middleware
