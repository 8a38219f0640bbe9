"""What sales do in the admin, and the states that result."""

from typing import Any

from django.test import Client

from provisioning.admin.entitlements import decision_url
from provisioning.models import Entitlement

LIST = "/admin/provisioning/entitlement/"


def choose(client: Client, decision: str, *rows: Entitlement) -> Any:
    """Select rows in the list, and the admin action of the decision."""
    fields = {"action": f"{decision}_selected", "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, fields, follow=True)


def decide(client: Client, decision: str, *rows: Entitlement, **fields: str) -> Any:
    address = decision_url(decision, [row.pk for row in rows])
    return client.post(address, {"note": "", **fields}, follow=True)


def states() -> dict[str, str]:
    return dict(Entitlement.objects.values_list("customer__slug", "state"))
