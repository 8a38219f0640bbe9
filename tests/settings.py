"""The site's own settings in their embedded form, with a folder of the tests' own."""

import os
from pathlib import Path

os.environ.setdefault("EMBEDDED", "true")
# Each of pytest's processes has one: they must not read each other's messages. Set anew, as
# pytest's workers inherit what its first process has set.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["STATE_DIR"] = str(Path(__file__).parent.parent / "var" / "tests" / PROCESS)
# Tests take the turns themselves and do not wait between them.
os.environ.setdefault("REPOSITORY_PACE_SECONDS", "0")

from portal.settings import *  # noqa: E402, F403

# A slow hash is the point of the default one, and of no test.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
