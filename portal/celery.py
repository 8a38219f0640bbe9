"""The Celery app. Its settings, including the beat schedule, are in ``settings.py``."""

import os
from typing import Any

from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES
from structlog.contextvars import bind_contextvars, clear_contextvars

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# For everyone who writes and reads: the site, the worker and beat.
TRANSPORT_ALIASES["filesystem"] = "portal.broker:Transport"


@signals.task_prerun.connect
def _name_task_in_logs(task_id: str, task: Any, args: Any, **kwargs: Any) -> None:
    """Task ids and names stand on each log line; arguments are ids of rows."""
    clear_contextvars()
    bind_contextvars(task_id=task_id, task=task.name.rpartition(".")[2], arguments=list(args or ()))


@signals.task_postrun.connect
def _forget_task_in_logs(**kwargs: Any) -> None:
    clear_contextvars()
