"""Ops have a new access key made for a customer."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import OPERATE, require_staff
from provisioning import plan, vault
from provisioning.flows import By, Refused
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
    """Have a new key made; the present one works on for ``overlap`` (zero for a leak), or
    goes at once where nobody has its secret.

    IAM holds two keys of a user: when both are taken, ``give_up`` is the access key id
    of the one to go now. Raises NotAllowed, Refused.
    """
    require_staff(by.user, OPERATE, "reissue credentials")
    if not reason.strip():
        raise Refused("Give a reason: it stays in the audit log.")
    pull_user = PullUser.objects.select_for_update().get(pk=pull_user.pk)
    if pull_user.wanted != Wanted.PRESENT:
        raise Refused("The customer has no access, so there are no credentials to reissue.")
    current = pull_user.access_keys.current().select_related("secret").first()
    if current is None:
        raise Refused("A new key is being made already.")
    now = timezone.now()
    goes_now = _given_up(pull_user, give_up) | ({current} if current.secret.is_sealed else set())
    for key in goes_now | {current}:
        key.retires_at = now if key in goes_now else now + overlap
        key.save(update_fields=["retires_at"])
    vault.burn(*goes_now)
    pull_user.due_at = now
    pull_user.save(update_fields=["due_at"])
    record(
        Deed.REISSUED,
        f"access key {current.access_key_id} of pull user {pull_user}",
        by=by.user,
        address=by.address,
        customer=pull_user.customer,
        reason=reason,
    )
    enqueue_on_commit(Due(pull_users={pull_user.pk}))


def _given_up(pull_user: PullUser, give_up: str) -> set[AccessKey]:
    """The key that makes room, where room is needed."""
    living = list(pull_user.access_keys.living().select_related("secret"))
    if len(living) < plan.ACCESS_KEYS_PER_USER:
        return set()
    chosen = {key for key in living if key.access_key_id == give_up}
    if not chosen:
        raise Refused(
            "AWS holds two keys of a user, and both are taken: "
            + " and ".join(str(key) for key in living)
            + ". Choose the one to give up now."
        )
    return chosen
