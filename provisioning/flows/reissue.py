"""A new access key is made for a customer: by ops, or by the customer itself."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import MAY_HANDLE_CREDENTIALS, OPERATE, require_role, require_staff
from provisioning import emails, plan, vault
from provisioning.flows import By, Refused, require_reason
from provisioning.models import AccessKey, PullUser
from provisioning.states import Wanted
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import Due

# Long enough for the customer to change over its machines within a working week.
OVERLAP = timedelta(days=7)


@transaction.atomic
def reissue(
    pull_user: PullUser,
    *,
    by: By,
    reason: str,
    overlap: timedelta = OVERLAP,
    give_up: str = "",
) -> None:
    """Ops have a new key made; the present one works on for ``overlap`` (zero for a leak),
    or goes at once where nobody has its secret.

    IAM holds two keys of a user: when both are taken, ``give_up`` is the access key id
    of the one to go now. Raises NotAllowed, Refused.
    """
    require_staff(by.user, OPERATE, "reissue credentials")
    require_reason(reason)
    _replace(pull_user, Deed.REISSUED, by=by, reason=reason, overlap=overlap, give_up=give_up)


@transaction.atomic
def rotate(pull_user: PullUser, *, by: By, overlap: timedelta = OVERLAP, give_up: str = "") -> None:
    """The customer has a new key made, as ``reissue`` does. The caller has made sure that it
    is her, afresh. Raises NotAllowed, Refused."""
    require_role(by.user, pull_user.customer, MAY_HANDLE_CREDENTIALS, "rotate credentials")
    _replace(pull_user, Deed.ROTATED, by=by, reason="", overlap=overlap, give_up=give_up)


def keys_to_choose_from(pull_user: PullUser) -> list[AccessKey]:
    """The keys of which one must go now, for a new one to have room; none where there is."""
    living = list(pull_user.access_keys.living().select_related("secret"))
    staying = [key for key in living if not _goes_now(key)]
    return staying if len(staying) >= plan.ACCESS_KEYS_PER_USER else []


def _replace(
    pull_user: PullUser, deed: Deed, *, by: By, reason: str, overlap: timedelta, give_up: str
) -> None:
    pull_user = PullUser.objects.select_for_update(no_key=True).get(pk=pull_user.pk)
    if pull_user.wanted != Wanted.PRESENT:
        raise Refused("The customer has no access, so there are no credentials to reissue.")
    current = pull_user.access_keys.current().first()
    if current is None and pull_user.unclaimed_at is None:
        raise Refused("A new key is being made already.")
    now = timezone.now()
    retiring = {key: now for key in pull_user.access_keys.current() if _goes_now(key)}
    retiring |= dict.fromkeys(_given_up(pull_user, give_up), now)
    if current is not None:
        retiring.setdefault(current, now + overlap)
    _retire(retiring, now)
    PullUser.objects.filter(pk=pull_user.pk).update(due_at=now, unclaimed_at=None)
    until = retiring.get(current) if current else None
    emails.rotated(pull_user, by=by.user, until=until if until and until > now else None)
    subject = f"access key {current} of " if current else ""
    record(
        deed,
        f"{subject}pull user {pull_user}",
        by=by.user,
        address=by.address,
        customer=pull_user.customer,
        reason=reason,
    )
    enqueue_on_commit(Due(pull_users={pull_user.pk}))


def _goes_now(key: AccessKey) -> bool:
    """Nobody has its secret, so nobody misses it."""
    return key.secret.is_sealed


def _given_up(pull_user: PullUser, give_up: str) -> list[AccessKey]:
    """The key that makes room, where room is needed."""
    choice = keys_to_choose_from(pull_user)
    chosen = [key for key in choice if key.access_key_id == give_up]
    if choice and not chosen:
        raise Refused(
            "AWS holds two keys of a user, and both are taken: "
            + " and ".join(str(key) for key in choice)
            + ". Choose the one to give up now."
        )
    return chosen


def _retire(retiring: dict[AccessKey, datetime], now: datetime) -> None:
    for key, at in retiring.items():
        key.retires_at = min(at, key.retires_at) if key.retires_at else at
        key.save(update_fields=["retires_at"])
    vault.burn(*(key for key, at in retiring.items() if at <= now))
