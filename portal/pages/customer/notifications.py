"""Which emails a member gets from an organisation."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from accounts.emails import preferences
from accounts.models import Membership
from portal.pages.forms import NotificationsForm


@login_required
@require_http_methods(["GET", "POST"])
def notifications(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what is sent; POST changes it."""
    user = current_user(request)
    memberships = Membership.objects.for_user(user).select_related("customer", "user")
    membership = get_object_or_404(memberships, user=user, customer_id=pk)
    kinds = preferences.choices_of(membership)
    fields = {
        "products": ("About products", [kind for kind in kinds if kind in preferences.PRODUCTS]),
        "credentials": (
            "About credentials",
            [kind for kind in kinds if kind in preferences.CREDENTIALS],
        ),
    }
    on = preferences.turned_on(membership)
    form = NotificationsForm(request.POST or None, fields=fields, on=on)
    if request.method == "POST" and form.is_valid():
        preferences.choose(membership, form.chosen, by=actor(request))
        messages.success(request, "Your notifications are saved.")
        return redirect("customer:notifications", pk)
    always = [kind.label for kind in preferences.always_to(membership)]
    context = {"membership": membership, "form": form, "always": always}
    return render(request, "customer/notifications.html", context)
