"""What holds for every request and answer, and neither Django nor django-csp sees to."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

GetResponse = Callable[[HttpRequest], HttpResponse]

# What no page of ours asks a browser for; a script that got in could not either.
REFUSED = "accelerometer camera geolocation gyroscope magnetometer microphone midi payment usb"
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in REFUSED.split())


def permissions_policy(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["Permissions-Policy"] = PERMISSIONS_POLICY
        return response

    return middleware


def no_null_characters(get_response: GetResponse) -> GetResponse:
    """Fields of forms refuse them; the admin's filters hand them on to PostgreSQL, which
    takes none."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds a null character.")
        return get_response(request)

    return middleware


def time_zone(get_response: GetResponse) -> GetResponse:
    """Pages tell the time as their reader has it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", None)
        with timezone.override(ZoneInfo(name) if name else None):
            return get_response(request)

    return middleware
