"""The letters to customers about their access, one function each. None tells a key's id."""

from django.conf import settings
from django.urls import reverse

from accounts.letters import send
from accounts.models import User
from accounts.permissions import MAY_HANDLE_CREDENTIALS
from provisioning.models import AccessKey


def key_expiring(key: AccessKey, days: int) -> None:
    """The key's age runs out in ``days``; to everybody who can have a new one made."""
    pull_user = key.pull_user
    for person in _who_handle_credentials(key):
        send(
            "key_expiring",
            person.email,
            customer=pull_user.customer,
            label=pull_user.label,
            expires_at=key.expires_at,
            days=days,
            link=settings.ORIGIN + reverse("customer:home"),
        )


def _who_handle_credentials(key: AccessKey) -> list[User]:
    members = key.pull_user.customer.memberships.filter(
        role__in=MAY_HANDLE_CREDENTIALS, user__is_active=True
    )
    return [membership.user for membership in members.select_related("user").order_by("pk")]
