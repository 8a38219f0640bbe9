"""The invitation whose link was followed in a browser. The session keeps the hash of its token,
so that a link that was replaced or used no longer works."""

from django.http import HttpRequest

from accounts.models import Invitation

SESSION_KEY = "invitation"


def remember(request: HttpRequest, invitation: Invitation) -> None:
    request.session[SESSION_KEY] = invitation.token_hash


def invitation_of(request: HttpRequest) -> Invitation | None:
    """The invitation whose link was followed in this browser, while it can be accepted."""
    token_hash = request.session.get(SESSION_KEY)
    open_ones = Invitation.objects.open().select_related("customer", "invited_by")
    return open_ones.filter(token_hash=token_hash).first() if token_hash else None
