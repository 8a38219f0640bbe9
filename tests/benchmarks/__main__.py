"""``make bench``."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from tests.benchmarks.report import main  # noqa: E402 - it needs Django's models

main()
