"""A member collects the credentials, once."""

from dataclasses import dataclass, field

from django.db import transaction

from accounts.audit import Deed, record
from accounts.permissions import MAY_HANDLE_CREDENTIALS, require_role
from provisioning import vault
from provisioning.flows import By, Refused
from provisioning.models import PullUser


@dataclass(frozen=True)
class Credentials:
    """What the customer's machines need; the secret is kept out of every repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@transaction.atomic
def reveal(pull_user: PullUser, *, by: By) -> Credentials:
    """The credentials in clear: this once, and never again for anybody.

    The caller has made sure that it is her, afresh. Raises NotAllowed for viewers and
    strangers, Refused when there is nothing to reveal, vault.VaultError.
    """
    require_role(by.user, pull_user.customer, MAY_HANDLE_CREDENTIALS, "reveal credentials")
    key = pull_user.access_keys.current().first() if pull_user.is_ready else None
    if key is None or not key.is_offered:
        raise Refused("The credentials are not ready yet. This page shows how far they are.")
    try:
        secret = vault.reveal_once(key, by=by.user)
    except vault.NothingToReveal:
        raise Refused(
            "The secret was shown before and exists nowhere any more. If it is lost, ask your "
            "vendor to reissue the credentials."
        ) from None
    record(
        Deed.REVEALED,
        f"access key {key.access_key_id}",
        by=by.user,
        address=by.address,
        customer=pull_user.customer,
    )
    return Credentials(key.access_key_id, secret)
