"""Following the link of an invitation, and joining."""

from allauth.account.models import EmailAddress
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actor import actor, current_user
from accounts.flows import invitations
from accounts.invitation_session import invitation_of, remember
from portal.pages.perform import perform


@require_safe
@never_cache
@sensitive_variables("token")
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """Take the token out of the address. Looking at the link does not use it up."""
    invitation = invitations.find(token)
    if invitation is None:
        return render(request, "account/invitation_gone.html", status=404)
    remember(request, invitation)
    return redirect("accept_invitation")


@require_http_methods(["GET", "POST"])
@never_cache
def accept(request: HttpRequest) -> HttpResponse:
    """GET says what the invitation is, and how to accept it; POST joins."""
    invitation = invitation_of(request)
    if invitation is None:
        return render(request, "account/invitation_gone.html", status=404)
    if request.method == "POST" and request.user.is_authenticated:
        perform(
            request,
            lambda: invitations.accept(invitation, by=actor(request)),
            done=f"You are now a member of {invitation.customer}.",
        )
        return redirect("customer:home")
    is_theirs = request.user.is_authenticated and invitations.is_for(
        invitation, current_user(request)
    )
    known = EmailAddress.objects.filter(email__iexact=invitation.email, verified=True)
    context = {"invitation": invitation, "is_theirs": is_theirs, "has_account": known.exists()}
    return render(request, "account/invitation.html", context)
