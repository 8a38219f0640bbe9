"""The way out of a kind of email, for who holds one: also for mail programs, which send the form
themselves."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.actor import Actor
from accounts.emails import preferences, unsubscribing
from accounts.models import Membership


@csrf_exempt  # A mail program has no cookie; the link alone says who and what.
@require_http_methods(["GET", "POST"])
@never_cache
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, because programs follow links to look at them; POST turns the kind off."""
    found = unsubscribing.find(token)
    if found is None:
        return render(request, "account/unsubscribe_gone.html", status=404)
    reader, kind = found
    is_asked = request.method == "POST"
    if isinstance(reader, Membership):
        user, customer = reader.user, reader.customer
    else:
        user, customer = reader, None
    if is_asked:
        preferences.turn_off(reader, kind, by=Actor(user))
    context = {"kind": kind, "customer": customer, "is_done": is_asked}
    return render(request, "account/unsubscribe.html", context)
