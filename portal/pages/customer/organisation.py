"""An organisation's people: who belongs to it, in which role, and what they did."""

from collections.abc import Callable

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.actor import actor, current_user
from accounts.flows import invitations, members, own_account
from accounts.models import Customer, Invitation, Membership
from accounts.permissions import MAY_MANAGE_MEMBERS, role_of
from portal.pages.guards import recent_login_required
from portal.pages.perform import perform

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
    email = forms.EmailField(label="Email address", max_length=254)
    field_order = ["email", "role"]


@login_required
@require_GET
def show(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(Customer.objects.for_user(current_user(request)), pk=pk)
    is_owner = role_of(current_user(request), customer) in MAY_MANAGE_MEMBERS
    actions = Paginator(customer.audit_events.all(), PAGE_LENGTH)
    context = {
        "customer": customer,
        "is_owner": is_owner,
        # Where nobody owns it, any member confirms a new one.
        "may_open_members": is_owner or not members.has_owner(customer),
        "members": customer.memberships.select_related("user").order_by("user__email"),
        "invitations": customer.invitations.vouched().select_related("invited_by"),
        "page": actions.get_page(request.GET.get("page")) if is_owner else None,
    }
    return render(request, "customer/organisation.html", context)


@recent_login_required
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(Customer.objects.for_user(current_user(request)), pk=pk)
    form = InviteForm(request.POST or None, initial={"role": Role.ENGINEER})
    if request.method == "POST" and form.is_valid():
        email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
        is_done = perform(
            request,
            lambda: invitations.invite(customer, email, role, by=actor(request)),
            done=f"{email} is invited.",
            form=form,
        )
        if is_done:
            return _back(request, customer)
    return render(request, "customer/invite.html", {"customer": customer, "form": form})


@recent_login_required
@require_http_methods(["GET", "POST"])
def member_page(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows a member and the choices; POST changes the role, or does one of the others."""
    of_user = Membership.objects.for_user(current_user(request)).select_related("customer", "user")
    membership = get_object_or_404(of_user, pk=pk)
    customer, person = membership.customer, membership.user
    by = actor(request)
    others: dict[str, tuple[Callable[[], object], str]] = {
        "remove": (lambda: members.remove(membership, by=by), f"{person} is no longer a member."),
        "confirm": (lambda: members.confirm(membership, by=by), f"{person} is confirmed."),
        "confirm_identity": (
            lambda: members.confirm_identity(membership, request.POST.get("identity", ""), by=by),
            f"{person} can sign in as {membership.identity_email}.",
        ),
        "allow_reveals": (
            lambda: own_account.allow_reveals(membership, by=by),
            f"{person} can reveal credentials again.",
        ),
    }
    for name, (action, done) in others.items():
        if name in request.POST:
            return _perform(request, customer, action, done)
    form = RoleForm(request.POST or None, initial={"role": membership.role})
    if request.method == "POST" and form.is_valid():
        role = Role(form.cleaned_data["role"])
        is_done = perform(
            request,
            lambda: members.change_role(membership, role, by=actor(request)),
            done=f"{person} is now {role.label.lower()}.",
            form=form,
        )
        if is_done:
            return _back(request, customer)
    return render(request, "customer/member.html", {"membership": membership, "form": form})


@recent_login_required
@require_http_methods(["GET", "POST"])
def invitation_page(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows a pending invitation; POST sends it again, or withdraws it."""
    of_user = Invitation.objects.for_user(current_user(request)).select_related("customer")
    invitation = get_object_or_404(of_user, pk=pk)
    if request.method == "GET":
        return render(request, "customer/invitation.html", {"invitation": invitation})
    is_revoked = "revoke" in request.POST
    action = invitations.revoke if is_revoked else invitations.send_again
    done = "is no longer invited" if is_revoked else "is invited again, with a new link"
    return _perform(
        request,
        invitation.customer,
        lambda: action(invitation, by=actor(request)),
        f"{invitation.email} {done}.",
    )


@recent_login_required
@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, pk: int) -> HttpResponse:
    memberships = current_user(request).memberships.select_related("customer")
    membership = get_object_or_404(memberships, customer_id=pk)
    customer = membership.customer
    if request.method == "GET":
        return render(request, "customer/leave.html", {"customer": customer})
    return _perform(
        request,
        customer,
        lambda: members.leave(membership, by=actor(request)),
        f"You are no longer a member of {customer}.",
    )


def _perform(
    request: HttpRequest, customer: Customer, action: Callable[[], object], done: str
) -> HttpResponse:
    perform(request, action, done=done)
    return _back(request, customer)


def _back(request: HttpRequest, customer: Customer) -> HttpResponse:
    """To the organisation; home, for a person who is no longer a member."""
    if role_of(current_user(request), customer):
        return redirect("customer:organisation", customer.pk)
    return redirect("customer:home")
