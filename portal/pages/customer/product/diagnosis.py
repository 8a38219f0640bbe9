""" "Why can't I pull?": what the portal knows about it, and what the client's error means."""

import re

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from portal.pages.customer.product.frame import entitlement_of, frame
from portal.pages.forms import ErrorTextForm
from provisioning import queries
from provisioning.diagnosis import client_errors
from provisioning.diagnosis.checks import diagnose
from provisioning.models import Entitlement, Repository


@login_required
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters("error_text")
@sensitive_variables("form", "error_text")
def diagnosis(request: HttpRequest, pk: int) -> HttpResponse:
    """GET lists all client errors; POST puts those in the pasted text on top. By POST, although
    it changes nothing, because addresses are kept in histories and logs."""
    entitlement = entitlement_of(request, pk)
    form = ErrorTextForm(request.POST or None)
    is_asked = request.method == "POST" and form.is_valid()
    error_text = form.cleaned_data["error_text"] if is_asked else ""
    found = client_errors.matching(error_text)
    is_about_tags = any(row.slug == "tag" for row in found)
    context = frame(request, entitlement, "diagnosis") | {
        "diagnoses": diagnose(entitlement),
        "form": form,
        "is_asked": is_asked,
        "found": found,
        "tags": _tags(entitlement, error_text) if is_about_tags else [],
        "others": [row for row in client_errors.CLIENT_ERRORS if row not in found],
    }
    return render(request, "customer/product/diagnosis.html", context)


@sensitive_variables("error_text")
def _tags(entitlement: Entitlement, error_text: str) -> list[tuple[Repository, list[str]]]:
    """The tags in the repository that the error names, or in all of them."""
    repositories = queries.open_repositories(entitlement)
    named = [row for row in repositories if re.search(rf"{re.escape(row.name)}[:@\s]", error_text)]
    return queries.newest_tags(named or repositories)
