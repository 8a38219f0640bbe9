"""A pull user's keys in words: what each is doing, and whether anything still needs it. No
query."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.timesince import timeuntil

from provisioning.models import AccessKey, PullUser
from provisioning.queries.parts import current_key
from provisioning.states import KeyStatus

# A warning as long before the end as the first letter about it.
SOON = timedelta(days=30)
# AWS tells of a use some hours late; what it has not told by then did not happen.
TOLD_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class KeyInWords:
    """``state`` is one of elements/status.html; ``proof`` says of a key that retires whether
    it is still needed."""

    key: AccessKey
    state: str
    label: str
    proof: str = ""

    @property
    def can_be_revealed(self) -> bool:
        return self.key.secret.is_sealed and self.state == "attention"

    @property
    def can_be_switched(self) -> bool:
        """On its way out it cannot; before it was revealed, only on again."""
        is_known = not self.key.secret.is_sealed or self.key.wanted == KeyStatus.INACTIVE
        return is_known and self.state != "ending"


def keys_in_words(pull_user: PullUser) -> list[KeyInWords]:
    """The keys that AWS was last seen to have, the newest first."""
    new = current_key(pull_user)
    living = [key for key in pull_user.access_keys.all() if key.status != KeyStatus.DELETED]
    return [
        KeyInWords(key, *_state(key), proof=_proof(key, new, pull_user) if key.retires_at else "")
        for key in sorted(living, key=lambda key: (key.created_at, key.pk), reverse=True)
    ]


def claimed_until(key: AccessKey) -> datetime:
    """When its secret is destroyed, if nobody collects it before."""
    return key.secret.made_at + settings.UNCLAIMED_AFTER


def _state(key: AccessKey) -> tuple[str, str]:
    now = timezone.now()
    if key.wanted == KeyStatus.DELETED or (key.retires_at and key.retires_at <= now):
        return "ending", "Being deleted"
    if key.wanted == KeyStatus.INACTIVE:
        is_off = key.status == KeyStatus.INACTIVE
        return ("ended", "Deactivated") if is_off else ("working", "Being deactivated")
    if key.status == KeyStatus.INACTIVE:
        return "working", "Being activated"
    if key.retires_at:
        return "waiting", f"Retires in {_left(key.retires_at, now)}"
    if key.secret.is_sealed:
        is_offered = key.is_offered
        return (
            ("attention", "Waiting to be revealed") if is_offered else ("working", "Being tested")
        )
    if key.expires_at and key.expires_at <= now + SOON:
        return "attention", f"Expires in {_left(key.expires_at, now)}"
    return "ready", "Active"


def _left(end: datetime, now: datetime) -> str:
    days = (end - now).days
    return f"{days} days" if days > 1 else timeuntil(end, now, depth=1)


def _proof(old: AccessKey, new: AccessKey | None, pull_user: PullUser) -> str:
    """Whether it can go, by what AWS told the last time it was asked."""
    collected_at = new.secret.revealed_at if new else None
    if collected_at is None:
        return "Your machines need it until the new key is collected and stored on them."
    if old.last_used_at and old.last_used_at > collected_at:
        return (
            "Something used it after the new key was collected. Find that machine, and change it "
            "over before this key retires."
        )
    if pull_user.observed_at is None or pull_user.observed_at < collected_at + TOLD_AFTER:
        return (
            "No use of it is known since the new key was collected, but AWS tells of a use some "
            "hours late: look again tomorrow before you deactivate it."
        )
    return "Nothing has used it since the new key was collected: it can be deactivated now."
