"""What holds for every request and response, and neither Django nor django-csp provides."""

import logging
import uuid
from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.core.exceptions import BadRequest, ImproperlyConfigured
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control
from requests import RequestException
from structlog.contextvars import bind_contextvars, clear_contextvars

from accounts.actor import client_address

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]

# What allauth raises for claims without a subject, or with one that is none.
NO_IDENTITY = (AttributeError, ImproperlyConfigured, KeyError, TypeError, ValueError)
# How often a view is repeated after a deadlock.
DEADLOCK_TRIES = 3
CHARSETS = {"utf-8", "utf8"}
# Where not all that is sent goes through the fields of a form, which refuse null characters.
READ_FORMS_THEMSELVES = ("/account/", "/admin/")
# Features that no page uses; a script that got in could not use them either.
REFUSED = "accelerometer camera geolocation gyroscope magnetometer microphone midi payment usb"
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in REFUSED.split())


def request_id(get_response: GetResponse) -> GetResponse:
    """Put an id on every log line of a request, and into its response. It stays until the next
    request of the same thread: Django logs the status of a response after all middleware."""

    def middleware(request: HttpRequest) -> HttpResponse:
        identifier = uuid.uuid4().hex
        clear_contextvars()
        bind_contextvars(request_id=identifier)
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


def who_it_is(get_response: GetResponse) -> GetResponse:
    """Put person and address on every log line of a request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        bind_contextvars(user_id=request.user.pk, address=client_address(request))
        return get_response(request)

    return middleware


def well_formed(get_response: GetResponse) -> GetResponse:
    """Refuse null characters, which PostgreSQL accepts nowhere, and encodings that browsers do not
    send."""

    def middleware(request: HttpRequest) -> HttpResponse:
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.lower() not in CHARSETS:
            # The page that says so has a form itself, and would read this one.
            request.POST = QueryDict()
            raise BadRequest("The encoding of the form is not known.")
        # Django reads the query and the form as the encoding says.
        texts = [request.path, *request.COOKIES.values(), *_values(request.GET)]
        if request.method == "POST" and request.path.startswith(READ_FORMS_THEMSELVES):
            texts += _values(request.POST)
        if any("\x00" in text for text in texts):
            raise BadRequest("The request contains a null character.")
        return get_response(request)

    return middleware


def _values(query: QueryDict) -> list[str]:
    return [text for name, values in query.lists() for text in (name, *values)]


class IdentityProviderFailed:
    """Says so where the identity provider does not answer, or answers with what is no identity."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        name, match = type(exception).__name__, request.resolver_match
        if isinstance(exception, RequestException):
            log.warning("The identity provider does not answer: %s", name)
            return render(request, "socialaccount/provider_down.html", status=503)
        is_callback = match is not None and match.view_name == "openid_connect_callback"
        if is_callback and isinstance(exception, NO_IDENTITY):
            log.warning("The identity provider reports no usable identity: %s", name)
            return render(request, "socialaccount/authentication_error.html", status=401)
        return None


class RepeatAfterDeadlock:
    """Of two transactions that wait for each other, PostgreSQL ends one, and undoes what it had
    done. The view then does its work again; an action that it had completed before, in a
    transaction of its own, refuses to be done twice."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        match = request.resolver_match
        for _ in range(DEADLOCK_TRIES):
            if match is None or not _is_deadlock(exception):
                return None
            log.warning("A deadlock: %s is repeated.", match.view_name)
            try:
                response: HttpResponse = match.func(request, *match.args, **match.kwargs)
            except OperationalError as error:
                exception = error
            else:
                return response
        return None


def _is_deadlock(exception: Exception) -> bool:
    # "deadlock_detected", PostgreSQL's documentation, appendix A.
    return getattr(exception.__cause__, "sqlstate", "") == "40P01"


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
