"""Sessions as they are stored: a copy of the database lets nobody into one."""

from hashlib import sha256

from django.conf import settings
from django.db import models
from django.utils import timezone

# What a browser's User-Agent contains → what people call it; the first that is found counts.
BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome"}
BROWSERS |= {"Safari/": "Safari", "curl/": "curl"}
SYSTEMS = {"Windows": "Windows", "Android": "Android", "iPhone": "iPhone", "iPad": "iPad"}
SYSTEMS |= {"Mac OS X": "macOS", "CrOS": "ChromeOS", "Linux": "Linux"}


def hash_of(key: str) -> str:
    """The primary key of the session whose key a browser holds in its cookie."""
    return sha256(key.encode()).hexdigest()


def device_of(user_agent: str) -> str:
    """A browser in words: ``Firefox on Windows``."""
    browser = next((name for part, name in BROWSERS.items() if part in user_agent), "A browser")
    system = next((f" on {name}" for part, name in SYSTEMS.items() if part in user_agent), "")
    return browser + system


class Session(models.Model):
    """``data`` is encrypted JSON. The columns behind it repeat what lists of sessions show."""

    key_hash = models.CharField(max_length=64, primary_key=True)
    data = models.BinaryField()
    expires_at = models.DateTimeField(db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="sessions"
    )
    signed_in_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(default=timezone.now)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=400, blank=True)

    def __str__(self) -> str:
        return f"{self.device}, {self.address}"

    @property
    def device(self) -> str:
        return device_of(self.user_agent)
