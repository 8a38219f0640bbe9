"""Following the link of an invitation, and joining."""

from allauth.account.models import EmailAddress
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from accounts import organisations
from accounts.deeds import Refused
from accounts.invited import invited, remember
from portal.request import member, who


@require_GET
@never_cache
@sensitive_variables("token")
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """Take the key out of the address: it is used by nobody who only looks at the link."""
    invitation = organisations.find(token)
    if invitation is None:
        return render(request, "account/invitation_gone.html", status=404)
    remember(request, invitation)
    return redirect("accept_invitation")


@require_http_methods(["GET", "POST"])
@never_cache
def accept(request: HttpRequest) -> HttpResponse:
    """GET says what the invitation is, and how to come in; POST joins."""
    invitation = invited(request)
    if invitation is None:
        return render(request, "account/invitation_gone.html", status=404)
    if request.method == "POST" and request.user.is_authenticated:
        try:
            organisations.accept(invitation, by=who(request))
        except Refused as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"You are now a member of {invitation.customer}.")
        return redirect("customer:home")
    is_hers = request.user.is_authenticated and organisations.is_for(invitation, member(request))
    known = EmailAddress.objects.filter(email__iexact=invitation.email, verified=True)
    context = {"invitation": invitation, "is_hers": is_hers, "has_account": known.exists()}
    return render(request, "account/invitation.html", context)
