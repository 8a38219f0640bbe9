"""The site's own settings in their embedded form: tests change nothing else."""

import os

os.environ.setdefault("EMBEDDED", "true")

from portal.settings import *  # noqa: F403
