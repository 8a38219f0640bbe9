"""An organisation's people: who belongs to it, in which role, and what they did."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts import organisations
from accounts.deeds import Refused
from accounts.models import Customer, Invitation, Membership
from accounts.permissions import MAY_MANAGE_MEMBERS, NotAllowed, role_of
from portal.pages.fresh import fresh_proof_required
from portal.request import member, who

PAGE_LENGTH = 25
Role = Membership.Role


class RoleForm(forms.Form):
    role = forms.ChoiceField(
        choices=[
            (Role.VIEWER, "Viewer: sees products, their state and the instructions"),
            (Role.ENGINEER, "Engineer: also requests products and reveals credentials"),
            (Role.OWNER, "Owner: also invites, changes and removes members"),
        ],
        widget=forms.RadioSelect,
    )


class InviteForm(RoleForm):
    email = forms.EmailField(label="Their email address", max_length=254)
    field_order = ["email", "role"]


@login_required
@require_GET
def show(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(Customer.objects.for_user(member(request)), pk=pk)
    is_owner = role_of(member(request), customer) in MAY_MANAGE_MEMBERS
    deeds = Paginator(customer.audit_events.all(), PAGE_LENGTH)
    context = {
        "customer": customer,
        "is_owner": is_owner,
        "members": customer.memberships.select_related("user").order_by("user__email"),
        "invitations": customer.invitations.pending().select_related("invited_by"),
        "page": deeds.get_page(request.GET.get("page")) if is_owner else None,
    }
    return render(request, "customer/organisation.html", context)


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(Customer.objects.for_user(member(request)), pk=pk)
    form = InviteForm(request.POST or None, initial={"role": Role.ENGINEER})
    if request.method == "POST" and form.is_valid():
        email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
        return _do(
            request,
            customer,
            lambda: organisations.invite(customer, email, role, by=who(request)),
            f"{email} is invited.",
        )
    return render(request, "customer/invite.html", {"customer": customer, "form": form})


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def member_page(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows a member and the choices; POST changes the role, or removes."""
    of_user = Membership.objects.for_user(member(request)).select_related("customer", "user")
    membership = get_object_or_404(of_user, pk=pk)
    customer, person = membership.customer, membership.user
    if "remove" in request.POST:
        return _do(
            request,
            customer,
            lambda: organisations.remove(membership, by=who(request)),
            f"{person} is no member any more.",
        )
    form = RoleForm(request.POST or None, initial={"role": membership.role})
    if request.method == "POST" and form.is_valid():
        role = Role(form.cleaned_data["role"])
        return _do(
            request,
            customer,
            lambda: organisations.change_role(membership, role, by=who(request)),
            f"{person} is now {role.label.lower()}.",
        )
    return render(request, "customer/member.html", {"membership": membership, "form": form})


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def invitation_page(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows a pending invitation; POST sends it again, or takes it back."""
    of_user = Invitation.objects.for_user(member(request)).select_related("customer")
    invitation = get_object_or_404(of_user, pk=pk)
    if request.method == "GET":
        return render(request, "customer/invitation.html", {"invitation": invitation})
    is_revoked = "revoke" in request.POST
    deed = organisations.revoke if is_revoked else organisations.send_again
    words = "is not invited any more" if is_revoked else "is invited again, by a new link"
    return _do(
        request,
        invitation.customer,
        lambda: deed(invitation, by=who(request)),
        f"{invitation.email} {words}.",
    )


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, pk: int) -> HttpResponse:
    memberships = member(request).memberships.select_related("customer")
    membership = get_object_or_404(memberships, customer_id=pk)
    customer = membership.customer
    if request.method == "GET":
        return render(request, "customer/leave.html", {"customer": customer})
    return _do(
        request,
        customer,
        lambda: organisations.leave(membership, by=who(request)),
        f"You are no member of {customer} any more.",
    )


def _do(
    request: HttpRequest, customer: Customer, deed: Callable[[], object], done: str
) -> HttpResponse:
    """Do it, say so or why not, and go back to where the reader may still be."""
    try:
        deed()
    except (NotAllowed, Refused) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    if role_of(member(request), customer):
        return redirect("customer:organisation", customer.pk)
    return redirect("customer:home")
