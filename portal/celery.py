"""The Celery app. Its settings, the beat table among them, are in ``settings.py``."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# For whoever writes and reads: the site, the worker and the beat.
TRANSPORT_ALIASES["filesystem"] = "portal.broker:Transport"
