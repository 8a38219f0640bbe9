"""A key is switched off at once, and perhaps on again: by its customer, or by ops."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import (
    MAY_HANDLE_CREDENTIALS,
    OPERATE,
    require_role,
    require_staff,
)
from provisioning import emails
from provisioning.flows import By, Refused
from provisioning.models import AccessKey, PullUser
from provisioning.states import IllegalMove, KeyStatus, move
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import Due


@transaction.atomic
def deactivate(key: AccessKey, *, by: By, reason: str = "") -> None:
    """Have AWS refuse the key from now on; it can be activated again. Raises NotAllowed,
    Refused."""
    _switch(key, KeyStatus.INACTIVE, Deed.DEACTIVATED, by=by, reason=reason)


@transaction.atomic
def activate(key: AccessKey, *, by: By, reason: str = "") -> None:
    """Have AWS take a deactivated key again. Raises NotAllowed, Refused."""
    _switch(key, KeyStatus.ACTIVE, Deed.ACTIVATED, by=by, reason=reason)


def _switch(key: AccessKey, to: KeyStatus, deed: Deed, *, by: By, reason: str) -> None:
    customer = key.pull_user.customer
    if by.user.is_staff:
        require_staff(by.user, OPERATE, "switch access keys on and off")
    else:
        require_role(by.user, customer, MAY_HANDLE_CREDENTIALS, "switch access keys on and off")
    try:
        move(key, to, field="wanted")
    except IllegalMove:
        raise Refused(f"Access key {key} is deleted.") from None
    now = timezone.now()
    PullUser.objects.filter(pk=key.pull_user_id).update(due_at=now)
    if to == KeyStatus.INACTIVE:
        emails.key_deactivated(key, by=by.user, at=now)
    record(
        deed,
        f"access key {key}",
        by=by.user,
        address=by.address,
        customer=customer,
        reason=reason,
    )
    enqueue_on_commit(Due(pull_users={key.pull_user_id}))
