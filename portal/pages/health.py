"""For load balancers and orchestrators: alive, and ready to serve."""

from threading import Lock

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from kombu.exceptions import OperationalError

from portal.celery import app

LATE = "the broker does not answer: decisions are carried out once it is back"


def live(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers. Pulls do not depend on it, only this site does. Without the
    broker everything works, and what the worker has to do starts when it is back."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("the database does not answer\n", status=503, content_type="text/plain")
    words = "ready\n" if broker.answers() else f"ready\n{LATE}\n"
    return HttpResponse(words, content_type="text/plain")


class Broker:
    """Asked by one thread at a time: however many want to know, one that hangs holds up one."""

    def __init__(self) -> None:
        self._is_asked = Lock()
        self._answered = True

    def answers(self) -> bool:
        """Whether it does; while it is being asked, whether it did the last time."""
        if self._is_asked.acquire(blocking=False):
            try:
                self._answered = _answers()
            finally:
                self._is_asked.release()
        return self._answered


broker = Broker()


def _answers() -> bool:
    try:
        with app.connection_for_write() as opened:
            opened.ensure_connection(max_retries=1, timeout=1)
    except (OSError, OperationalError):
        return False
    return True
