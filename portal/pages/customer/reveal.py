"""The page that shows a secret, once."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from portal.pages.guards import recent_login_required
from portal.pages.return_to import address_of, product_of
from provisioning import instructions
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.credentials import AlreadyRevealed, key_to_reveal
from provisioning.flows.credentials import reveal as reveal_credentials
from provisioning.models import PullUser


@recent_login_required
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_variables()
def reveal(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks whether to reveal now; POST shows the credentials, once."""
    of_user = PullUser.objects.for_user(current_user(request))
    pull_user = get_object_or_404(of_user.select_related("customer"), pk=pk)
    entitlement = product_of(request, pull_user)
    context: dict[str, Any] = {"pull_user": pull_user, "entitlement": entitlement}
    try:
        if request.method == "GET":
            context["key"] = key_to_reveal(pull_user, by=actor(request))
            return render(request, "customer/reveal.html", context)
        credentials = reveal_credentials(pull_user, by=actor(request))
    except AlreadyRevealed as gone:
        context["key"] = gone.key
        status = 200 if request.method == "GET" else 409
        return render(request, "customer/revealed.html", context, status=status)
    except (NotAllowed, Refused) as error:
        messages.error(request, str(error))
        return redirect(address_of(entitlement))
    context["credentials"] = credentials
    context["key"] = pull_user.access_keys.get(access_key_id=credentials.access_key_id)
    profile = instructions.profile_of(settings.VENDOR_NAME, pull_user.label)
    context["set_up"] = instructions.set_up(profile)
    retiring = pull_user.access_keys.living().filter(retires_at__gt=timezone.now())
    context["old_key"] = retiring.first()
    context["change_over"] = instructions.change_over(profile)
    context["files"] = [
        form(profile, credentials.access_key_id, credentials.secret_access_key)
        for form in (
            instructions.credentials_file,
            instructions.env_file,
            instructions.kubernetes_secret,
        )
    ]
    return render(request, "customer/secret.html", context)
