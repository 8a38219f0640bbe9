"""Access keys: revealed once, replaced by a new one, deactivated and activated."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from accounts import clock
from accounts.audit.log import Action, record
from accounts.permissions import (
    MAY_HANDLE_CREDENTIALS,
    OPERATE,
    require_role,
    require_staff,
)
from provisioning import vault
from provisioning.desired import schedule
from provisioning.documents.limits import ACCESS_KEYS_PER_USER
from provisioning.flows import Actor, Refused, require_reason
from provisioning.models import AccessKey, PullUser
from provisioning.notifications import emails
from provisioning.states import Desired, IllegalMove, KeyStatus, move

log = logging.getLogger(__name__)

# Long enough for a customer to change over its machines within a working week.
OVERLAP = timedelta(days=7)

GONE = "We no longer have the secret. If it is lost, create a new key."
UNCLAIMED = (
    "Nobody revealed the secret in time, so it was destroyed together with its key. Create a new "
    "key."
)

# --- Reveal --------------------------------------------------------------------------


class AlreadyRevealed(Refused):
    """The secret was shown before: ``key.secret`` says to whom and when."""

    def __init__(self, key: AccessKey) -> None:
        super().__init__(GONE)
        self.key = key


@dataclass(frozen=True)
class Credentials:
    """What the customer's machines need; the secret is kept out of every repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


def key_to_reveal(pull_user: PullUser, *, by: Actor) -> AccessKey:
    """The key whose secret can be revealed to a member of the customer.

    Raises NotAllowed for viewers and for people of other customers, AlreadyRevealed when it was
    shown before, Refused when there is nothing to reveal.
    """
    require_role(by.user, pull_user.customer, MAY_HANDLE_CREDENTIALS, "reveal credentials")
    keys = pull_user.access_keys.current().select_related("secret__revealed_by")
    key = keys.first() if pull_user.is_ready else None
    if key is None and pull_user.unclaimed_at:
        raise Refused(UNCLAIMED)
    if key is None or not key.is_offered:
        raise Refused("The credentials are not ready yet. The product's page shows the progress.")
    if key.secret.revealed_at:
        raise AlreadyRevealed(key)
    if not key.secret.is_unrevealed:
        raise Refused(GONE)
    return key


@transaction.atomic
def reveal(pull_user: PullUser, *, by: Actor) -> Credentials:
    """The credentials in clear: only this once, and never again for anyone.

    The caller has checked that the person signed in recently. Raises as ``key_to_reveal`` does.
    """
    key = key_to_reveal(pull_user, by=by)
    try:
        secret = vault.reveal_once(key, by=by.user)
    except vault.NothingToReveal:
        key.secret.refresh_from_db()
        raise AlreadyRevealed(key) from None
    except vault.VaultError as error:
        log.error("Pull user %s has credentials that cannot be revealed: %s", pull_user, error)
        raise Refused(
            "The secret cannot be decrypted, and was shown to nobody. Please tell your vendor, who "
            "can repair this or reissue the credentials."
        ) from None
    subject = f"access key {key.access_key_id}"
    record(Action.REVEALED, subject, by=by, customer=pull_user.customer)
    emails.revealed(key, by=by.user, at=clock.now())
    return Credentials(key.access_key_id, secret)


# --- Replace -------------------------------------------------------------------------


@transaction.atomic
def reissue(
    pull_user: PullUser,
    *,
    by: Actor,
    reason: str,
    overlap: timedelta = OVERLAP,
    key_to_delete: str = "",
) -> None:
    """Ops have a new key created. The present one works on for ``overlap`` (zero for a leak); it
    is deleted at once if nobody has its secret.

    AWS allows two keys per user: when there are two, ``key_to_delete`` is the access key id of
    the one to delete now. Raises NotAllowed, Refused.
    """
    require_staff(by.user, OPERATE, "reissue credentials")
    require_reason(reason)
    _replace(
        pull_user,
        Action.REISSUED,
        by=by,
        reason=reason,
        overlap=overlap,
        key_to_delete=key_to_delete,
    )


@transaction.atomic
def rotate(
    pull_user: PullUser, *, by: Actor, overlap: timedelta = OVERLAP, key_to_delete: str = ""
) -> None:
    """The customer has a new key created, as ``reissue`` does. The caller has checked that the
    person signed in recently. Raises NotAllowed, Refused."""
    require_role(by.user, pull_user.customer, MAY_HANDLE_CREDENTIALS, "rotate credentials")
    _replace(
        pull_user, Action.ROTATED, by=by, reason="", overlap=overlap, key_to_delete=key_to_delete
    )


def keys_to_choose_from(pull_user: PullUser) -> list[AccessKey]:
    """The keys of which one must be deleted before a new one can be created; none where there is
    room."""
    living = list(pull_user.access_keys.living().select_related("secret"))
    staying = [key for key in living if not key.secret.is_unrevealed]
    return staying if len(staying) >= ACCESS_KEYS_PER_USER else []


def _replace(
    pull_user: PullUser,
    action: Action,
    *,
    by: Actor,
    reason: str,
    overlap: timedelta,
    key_to_delete: str,
) -> None:
    pull_user = PullUser.objects.select_for_update(no_key=True).get(pk=pull_user.pk)
    if pull_user.desired != Desired.PRESENT:
        raise Refused("The customer has no access, so there are no credentials to reissue.")
    current = pull_user.access_keys.current().first()
    if current is None and pull_user.unclaimed_at is None:
        raise Refused("A new key is already being created.")
    now = clock.now()
    # Nobody has the secret of an unrevealed key, so nobody misses it.
    unrevealed = [key for key in pull_user.access_keys.current() if key.secret.is_unrevealed]
    retiring = dict.fromkeys([*unrevealed, *_chosen(pull_user, key_to_delete)], now)
    if current is not None:
        retiring.setdefault(current, now + overlap)
    _retire(retiring, now)
    # The customer waits to see the old key silent.
    changes = {"unclaimed_at": None, "uses_due_at": now}
    PullUser.objects.filter(pk=pull_user.pk).update(**changes)
    until = retiring.get(current) if current else None
    emails.rotated(pull_user, by=by.user, until=until if until and until > now else None)
    subject = f"access key {current} of " if current else ""
    record(
        action,
        f"{subject}pull user {pull_user}",
        by=by,
        customer=pull_user.customer,
        reason=reason,
    )
    schedule.wake(pull_users={pull_user.pk})


def _chosen(pull_user: PullUser, key_to_delete: str) -> list[AccessKey]:
    """The key that makes room, where room is needed. Raises Refused where none was chosen."""
    choice = keys_to_choose_from(pull_user)
    chosen = [key for key in choice if key.access_key_id == key_to_delete]
    if choice and not chosen:
        raise Refused(
            "AWS allows two keys, and there are two: "
            + " and ".join(str(key) for key in choice)
            + ". Choose which one should be deleted now."
        )
    return chosen


def _retire(retiring: dict[AccessKey, datetime], now: datetime) -> None:
    for key, at in retiring.items():
        key.retires_at = min(at, key.retires_at) if key.retires_at else at
        key.desired_at = now
        key.save(update_fields=["retires_at", "desired_at"])
    vault.destroy(*(key for key, at in retiring.items() if at <= now))


# --- Deactivate ----------------------------------------------------------------------


@transaction.atomic
def deactivate(key: AccessKey, *, by: Actor, reason: str = "") -> None:
    """Have AWS refuse the key from now on; it can be activated again. Raises NotAllowed,
    Refused."""
    _switch(key, KeyStatus.INACTIVE, Action.DEACTIVATED, by=by, reason=reason)
    emails.key_deactivated(key, by=by.user, at=clock.now())


@transaction.atomic
def activate(key: AccessKey, *, by: Actor, reason: str = "") -> None:
    """Have AWS accept a deactivated key again. Raises NotAllowed, Refused."""
    _switch(key, KeyStatus.ACTIVE, Action.ACTIVATED, by=by, reason=reason)


@transaction.atomic
def end(key: AccessKey, *, by: Actor) -> None:
    """Have a key that another one replaces deleted now, before it retires by itself. Raises
    NotAllowed, Refused."""
    customer = key.pull_user.customer
    require_role(by.user, customer, MAY_HANDLE_CREDENTIALS, "end access keys", is_taking_away=True)
    held = AccessKey.objects.select_for_update(no_key=True).get(pk=key.pk)
    if held.is_current:
        raise Refused(f"No other key replaces {key} yet. Create a new key first.")
    now = clock.now()
    _retire({held: now}, now)
    emails.key_ended(key, by=by.user, at=now)
    record(Action.ENDED_KEY, f"access key {key}", by=by, customer=customer)
    schedule.wake(pull_users={key.pull_user_id})


def _switch(key: AccessKey, to: KeyStatus, action: Action, *, by: Actor, reason: str) -> None:
    customer = key.pull_user.customer
    words = "deactivate and activate access keys"
    if by.user.is_staff:
        require_staff(by.user, OPERATE, words)
    else:
        is_taking_away = to == KeyStatus.INACTIVE
        require_role(
            by.user, customer, MAY_HANDLE_CREDENTIALS, words, is_taking_away=is_taking_away
        )
    try:
        move(key, to, field="desired", desired_at=clock.now())
    except IllegalMove:
        raise Refused(f"Access key {key} is deleted.") from None
    record(action, f"access key {key}", by=by, customer=customer, reason=reason)
    schedule.wake(pull_users={key.pull_user_id})
