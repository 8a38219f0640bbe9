"""The project and the site: settings, pages, and the Celery app."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
