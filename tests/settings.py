"""The portal's settings in their embedded form, with a temporary state folder."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("EMBEDDED", "true")
# One for each of pytest's processes, and for each run: they must share neither messages nor a
# database. Set anew, because pytest's workers inherit what its first process has set.
os.environ["STATE_DIR"] = tempfile.mkdtemp(prefix="ecr-portal-tests-")
atexit.register(shutil.rmtree, os.environ["STATE_DIR"], ignore_errors=True)
# Tests take the turns themselves and do not wait between them.
os.environ.setdefault("REPOSITORY_WRITE_INTERVAL_SECONDS", "0")

from portal.settings import *  # noqa: E402, F403

# A slow hash is the point of the default one, and of no test.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# The database's own has tests of its own (tests/accounts/test_cache.py).
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# WhiteNoise looks for a file when it is requested. It would list all of them for each client of a
# test.
WHITENOISE_AUTOREFRESH = True
