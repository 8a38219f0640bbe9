"""The state of a pull user's keys in words: what each is doing, and whether anything still needs
it. No query."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.timesince import timeuntil

from provisioning.models import AccessKey, PullUser
from provisioning.queries.lookups import current_key, tested_when
from provisioning.states import KeyStatus

# Warn as long before the end as the first email does.
SOON = timedelta(days=30)
# AWS reports a use some hours late; what it has not reported by then did not happen.
REPORTED_AFTER = timedelta(hours=6)


# Whether a retiring key can be deleted → in words.
NEEDED, USED, UNKNOWN, SILENT = "needed", "used", "unknown", "silent"
PROOFS = {
    NEEDED: "Your machines need it until the new key is revealed and stored on them.",
    USED: "It was used after the new key was revealed. Find that machine, and change it over "
    "before this key retires.",
    UNKNOWN: "No use is known since the new key was revealed, but AWS reports uses some hours "
    "late. Look again tomorrow before you end it.",
    SILENT: "Not used since the new key was revealed: you can end it now.",
}


@dataclass(frozen=True)
class KeyState:
    """``state`` is one of elements/status.html; ``use`` says of a retiring key whether it is
    still needed (PROOFS); ``tested_when`` of a new one what its test waits for."""

    key: AccessKey
    state: str
    label: str
    use: str = ""
    tested_when: str = ""

    @property
    def proof(self) -> str:
        return PROOFS.get(self.use, "")

    @property
    def can_be_revealed(self) -> bool:
        return self.key.secret.is_unrevealed and self.state == "attention"

    @property
    def can_be_switched(self) -> bool:
        """Whether it can be deactivated or activated. Not while it is being deleted; and before
        it was revealed, it can only be activated."""
        is_known = not self.key.secret.is_unrevealed or self.key.desired == KeyStatus.INACTIVE
        return is_known and self.state != "ending"


def key_states(pull_user: PullUser) -> list[KeyState]:
    """The keys that AWS was last seen to have, newest first."""
    new = current_key(pull_user)
    living = [key for key in pull_user.access_keys.all() if key.status != KeyStatus.DELETED]
    return [
        KeyState(
            key,
            *_state(key),
            use=_use(key, new, pull_user) if key.retires_at else "",
            tested_when="" if key.is_offered else tested_when(key, pull_user),
        )
        for key in sorted(living, key=lambda key: (key.created_at, key.pk), reverse=True)
    ]


def claimed_until(key: AccessKey) -> datetime:
    """When its secret is destroyed, unless a member reveals it before."""
    return key.secret.created_at + settings.UNCLAIMED_AFTER


def _state(key: AccessKey) -> tuple[str, str]:
    now = timezone.now()
    if key.desired == KeyStatus.DELETED or (key.retires_at and key.retires_at <= now):
        return "ending", "Being deleted"
    if key.desired == KeyStatus.INACTIVE:
        is_off = key.status == KeyStatus.INACTIVE
        return ("ended", "Deactivated") if is_off else ("working", "Being deactivated")
    if key.status == KeyStatus.INACTIVE:
        return "working", "Being activated"
    if key.retires_at:
        return "waiting", f"Retires in {_left(key.retires_at, now)}"
    if key.secret.is_unrevealed:
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


def _use(old: AccessKey, new: AccessKey | None, pull_user: PullUser) -> str:
    """Whether it can be deleted, from what AWS reported when it was last asked."""
    revealed_at = new.secret.revealed_at or (new.adopted_at and new.created_at) if new else None
    if revealed_at is None:
        return NEEDED
    if old.last_used_at and old.last_used_at > revealed_at:
        return USED
    if pull_user.observed_at is None or pull_user.observed_at < revealed_at + REPORTED_AFTER:
        return UNKNOWN
    return SILENT
