"""A member collects the credentials, once."""

import logging
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import MAY_HANDLE_CREDENTIALS, require_role
from provisioning import emails, vault
from provisioning.flows import By, Refused
from provisioning.models import AccessKey, PullUser

log = logging.getLogger(__name__)

GONE = "The secret exists nowhere any more. If it is lost, have a new key made."
UNCLAIMED = (
    "Nobody collected the secret in time, so it was destroyed together with its key. Have a new "
    "key made."
)


class AlreadyRevealed(Refused):
    """The secret was shown before: ``key.secret`` tells to whom and when."""

    def __init__(self, key: AccessKey) -> None:
        super().__init__(GONE)
        self.key = key


@dataclass(frozen=True)
class Credentials:
    """What the customer's machines need; the secret is kept out of every repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


def key_to_reveal(pull_user: PullUser, *, by: By) -> AccessKey:
    """The key whose secret waits for somebody of the customer's who may see it.

    Raises NotAllowed for viewers and strangers, AlreadyRevealed when somebody was shown it,
    Refused when there is nothing to reveal.
    """
    require_role(by.user, pull_user.customer, MAY_HANDLE_CREDENTIALS, "reveal credentials")
    keys = pull_user.access_keys.current().select_related("secret__revealed_by")
    key = keys.first() if pull_user.is_ready else None
    if key is None and pull_user.unclaimed_at:
        raise Refused(UNCLAIMED)
    if key is None or not key.is_offered:
        raise Refused(
            "The credentials are not ready yet. The product's page shows how far they are."
        )
    if key.secret.revealed_at:
        raise AlreadyRevealed(key)
    if not key.secret.is_sealed:
        raise Refused(GONE)
    return key


@transaction.atomic
def reveal(pull_user: PullUser, *, by: By) -> Credentials:
    """The credentials in clear: this once, and never again for anybody.

    The caller has made sure that it is her, afresh. Raises as ``key_to_reveal`` does.
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
            "The secret cannot be opened, and was shown to nobody. Your vendor can mend that, "
            "or reissue the credentials: please tell them."
        ) from None
    record(
        Deed.REVEALED,
        f"access key {key.access_key_id}",
        by=by.user,
        address=by.address,
        customer=pull_user.customer,
    )
    emails.revealed(key, by=by.user, at=timezone.now())
    return Credentials(key.access_key_id, secret)
