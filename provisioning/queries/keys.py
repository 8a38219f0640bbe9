"""The state of a pull user's keys in words: what each is doing, and whether anything still needs
it. No query."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.timesince import timeuntil

from provisioning.models import AccessKey, PullUser
from provisioning.queries import wording
from provisioning.queries.lookups import current_key, tested_when
from provisioning.queries.wording import State
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
    """The state of a ``key``, or of a pull user that has none. ``at`` is the moment that completes
    the words of the state, if one does; ``use`` says of a retiring key whether it is still needed
    (PROOFS)."""

    key: AccessKey | None
    state: State
    at: datetime | None = None
    use: str = ""

    @property
    def proof(self) -> str:
        return PROOFS.get(self.use, "")

    @property
    def can_be_revealed(self) -> bool:
        return self.state == wording.KEY_UNREVEALED

    @property
    def can_be_created(self) -> bool:
        return self.state == wording.KEY_UNCLAIMED

    @property
    def can_be_ended(self) -> bool:
        return bool(self.key and self.key.retires_at) and self.state != wording.KEY_DELETING

    @property
    def can_be_replaced(self) -> bool:
        """Whether it is the key that stands for its user, and is no longer a secret of ours."""
        return bool(self.key and self.key.is_current and not self.key.secret.is_unrevealed)

    @property
    def can_be_switched(self) -> bool:
        """Whether it can be deactivated or activated. Not while it is being deleted; and before
        it was revealed, it can only be activated."""
        if self.key is None or self.state == wording.KEY_DELETING:
            return False
        return not self.key.secret.is_unrevealed or self.key.desired == KeyStatus.INACTIVE


def key_states(pull_user: PullUser) -> list[KeyState]:
    """The keys that AWS was last seen to have, newest first, after the one that is missing, if
    none of them stands for the user."""
    new = current_key(pull_user)
    living = [key for key in pull_user.access_keys.all() if key.is_living]
    found = [
        key_state(key, pull_user)
        for key in sorted(living, key=lambda key: (key.created_at, key.pk), reverse=True)
    ]
    return found if new else [_no_key(pull_user), *found]


def _no_key(pull_user: PullUser) -> KeyState:
    if pull_user.unclaimed_at:
        return KeyState(None, wording.KEY_UNCLAIMED, pull_user.unclaimed_at)
    return KeyState(None, wording.KEY_CREATING)


def key_state(key: AccessKey, pull_user: PullUser) -> KeyState:
    """The state of one of a pull user's keys. No query, if both were loaded by ``entitlements``."""
    state = _state(key)
    if state == wording.KEY_UNREVEALED:
        return KeyState(key, state, claimed_until(key))
    if state == wording.KEY_TESTING:
        return KeyState(key, replace(state, remedy=tested_when(key, pull_user)))
    use = _use(key, current_key(pull_user), pull_user) if key.retires_at else ""
    if state.slug == wording.KEY_RETIRES.slug:
        state = replace(state, remedy=PROOFS[use])
    words, at = _origin(key)
    return KeyState(key, replace(state, words=words), at, use)


def _origin(key: AccessKey) -> tuple[str, datetime | None]:
    secret = key.secret
    if secret.revealed_at:
        return f"Revealed to {secret.revealed_by}", secret.revealed_at
    if key.adopted_at:
        return "Revealed before the portal was restored from a backup; we do not have it", None
    if secret.destroyed_at:
        return "The secret was destroyed before anyone revealed it", secret.destroyed_at
    return "Nobody has revealed it", None


def claimed_until(key: AccessKey) -> datetime:
    """When its secret is destroyed, unless a member reveals it before."""
    return key.secret.created_at + settings.UNCLAIMED_AFTER


def _state(key: AccessKey) -> State:
    now = timezone.now()
    if key.desired == KeyStatus.DELETED or (key.retires_at and key.retires_at <= now):
        return wording.KEY_DELETING
    if key.desired == KeyStatus.INACTIVE:
        is_off = key.status == KeyStatus.INACTIVE
        return wording.KEY_DEACTIVATED if is_off else wording.KEY_DEACTIVATING
    if key.is_in_doubt:
        return wording.KEY_ACTIVATING
    if key.status == KeyStatus.INACTIVE:
        # What the portal has not done itself is for ops to decide about.
        is_ours = key.written != KeyStatus.ACTIVE
        return wording.KEY_ACTIVATING if is_ours else wording.KEY_OFF_IN_AWS
    if key.retires_at:
        return replace(wording.KEY_RETIRES, label=f"Retires in {_left(key.retires_at, now)}")
    if key.secret.is_unrevealed:
        return wording.KEY_UNREVEALED if key.is_offered else wording.KEY_TESTING
    if key.expires_at and key.expires_at <= now + SOON:
        return replace(wording.KEY_EXPIRES, label=f"Expires in {_left(key.expires_at, now)}")
    return wording.KEY_ACTIVE


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
    read_at = pull_user.uses_read_at
    if read_at is None or read_at < revealed_at + REPORTED_AFTER:
        return UNKNOWN
    return SILENT


# --- What they open ------------------------------------------------------------------


def state_of_keys(pull_users: list[PullUser]) -> tuple[State, datetime | None]:
    """The state of an entitlement, as far as it depends on the keys of its pull users, and its
    moment. In each AWS account one key is enough, whatever its label."""
    accounts: dict[str, list[PullUser]] = defaultdict(list)
    for user in pull_users:
        accounts[user.account_id].append(user)
    for users in accounts.values():
        if not any(_is_usable(key) for user in users for key in user.access_keys.all()):
            return _missing(users[0])
    if any(_awaits_key(user) for user in pull_users):
        return wording.REPLACING, None
    now = timezone.now()
    keys = [key for user in pull_users for key in user.access_keys.all() if _is_usable(key)]
    ends = [key.retires_at for key in keys if key.retires_at and key.retires_at > now]
    if ends:
        return wording.ROTATING, min(ends)
    return wording.READY if keys else wording.SETTING_UP, None


def _missing(pull_user: PullUser) -> tuple[State, datetime | None]:
    """What keeps a pull user from pulling, where AWS has all that is desired."""
    key = current_key(pull_user)
    if key is None and pull_user.unclaimed_at:
        return wording.UNCLAIMED, pull_user.unclaimed_at
    if key is not None and key.desired == KeyStatus.INACTIVE:
        return wording.KEY_OFF, None
    if key is not None and key.secret.is_unrevealed and key.is_offered:
        return wording.TO_REVEAL, None
    if key is not None and key.secret.destroyed_at:
        return wording.UNCLAIMED, key.secret.destroyed_at
    return wording.SETTING_UP, None


def _awaits_key(pull_user: PullUser) -> bool:
    """Whether its key is being created or tested."""
    key = current_key(pull_user)
    if key is None:
        return pull_user.unclaimed_at is None
    return key.secret.is_unrevealed and not key.is_offered


def _is_usable(key: AccessKey) -> bool:
    """Whether AWS accepts it, and a person has its secret."""
    is_known = bool(key.secret.revealed_at or key.adopted_at)
    is_over = key.retires_at is not None and key.retires_at <= timezone.now()
    is_on = key.desired == key.status == KeyStatus.ACTIVE and not key.is_in_doubt
    return is_known and not is_over and is_on
