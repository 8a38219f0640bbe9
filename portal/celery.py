"""The Celery app. Its settings, including the beat schedule, are in ``settings.py``."""

import logging
import os
from typing import Any

from celery import Celery, Task, signals
from celery.exceptions import Ignore
from django.db import OperationalError
from kombu.transport import TRANSPORT_ALIASES
from structlog.contextvars import bind_contextvars, clear_contextvars

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

log = logging.getLogger(__name__)


class AtTheRightTime(Task):
    """A task that a worker with a wrong clock does not run: it stops instead, with words, and the
    message's row stays due."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Django is set up by now.
        from accounts import clock

        try:
            clock.require_right()
        except clock.ClockIsWrong as error:
            log.critical("This worker stops. %s", error)
            self.app.control.shutdown(destination=[self.request.hostname])
            raise Ignore(str(error)) from None
        return super().__call__(*args, **kwargs)


app = Celery("portal", task_cls=AtTheRightTime)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# For everyone who writes and reads: the site, the worker and beat.
TRANSPORT_ALIASES["filesystem"] = "portal.broker:Transport"


@signals.worker_init.connect
def _refuse_a_wrong_clock(**kwargs: Any) -> None:
    from accounts import clock

    try:
        clock.require_right()
    except clock.ClockIsWrong as error:
        raise SystemExit(str(error)) from None
    except OperationalError:
        # It is checked again before each task.
        log.warning("The database is away, so the clock was not checked.")


@signals.task_prerun.connect
def _name_task_in_logs(task_id: str, task: Any, args: Any, **kwargs: Any) -> None:
    """Task ids and names stand on each log line; arguments are ids of rows."""
    clear_contextvars()
    bind_contextvars(task_id=task_id, task=task.name.rpartition(".")[2], arguments=list(args or ()))


@signals.task_postrun.connect
def _forget_task_in_logs(**kwargs: Any) -> None:
    clear_contextvars()
