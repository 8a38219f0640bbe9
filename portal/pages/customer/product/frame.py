"""What the tabs of a product share: its title, its state, and the way to the others."""

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from accounts.actor import current_user
from accounts.permissions import MAY_HANDLE_CREDENTIALS, role_of
from provisioning import queries
from provisioning.models import Entitlement
from provisioning.queries import wording


def entitlement_of(request: HttpRequest, pk: int) -> Entitlement:
    """The entitlement, if the person is a member of its customer; otherwise error 404."""
    return get_object_or_404(queries.of_user(current_user(request)), pk=pk)


def frame(request: HttpRequest, entitlement: Entitlement, tab: str) -> dict[str, Any]:
    """The context of templates/customer/product/frame.html; ``tab`` is the current one."""
    role = role_of(current_user(request), entitlement.customer)
    progress = queries.progress(entitlement)
    return {
        "entitlement": entitlement,
        "progress": progress,
        "tab": tab,
        "unrevealed": wording.TO_REVEAL,
        "may_handle": role in MAY_HANDLE_CREDENTIALS,
        "to_reveal": queries.to_reveal(entitlement) if progress.state.is_live else [],
    }
