"""“Why can't I pull?”: what the portal knows of it, and what the client's words mean."""

import re
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from portal.request import member
from provisioning import queries, troubles
from provisioning.models import Entitlement, Repository
from provisioning.pull_check import findings


class UnansweredTextarea(forms.Textarea):
    """Never shows what was typed: a pasted text may have a secret in it."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class SaidForm(forms.Form):
    said = forms.CharField(
        label="What did your client say?",
        help_text="Paste the error. It is compared with the list and kept nowhere; all the same, "
        "leave out keys and tokens.",
        widget=UnansweredTextarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )


@login_required
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters("said")
@sensitive_variables("form", "said")
def trouble(request: HttpRequest, pk: int) -> HttpResponse:
    """GET lists all that clients say; POST puts on top what this one said. By POST, though
    it changes nothing: an address is kept in histories and logs."""
    entitlement = get_object_or_404(queries.of_user(member(request)), pk=pk)
    form = SaidForm(request.POST or None)
    is_asked = request.method == "POST" and form.is_valid()
    said = form.cleaned_data["said"] if is_asked else ""
    found = troubles.matching(said)
    context = {
        "entitlement": entitlement,
        "findings": findings(entitlement),
        "form": form,
        "is_asked": is_asked,
        "found": found,
        "tags": _tags(entitlement, said) if any(row.slug == "tag" for row in found) else [],
        "others": [row for row in troubles.TROUBLES if row not in found],
    }
    return render(request, "customer/trouble.html", context)


@sensitive_variables("said")
def _tags(entitlement: Entitlement, said: str) -> list[tuple[Repository, list[str]]]:
    """The tags that there are in the repository that the client names, or else in all."""
    repositories = queries.open_repositories(entitlement)
    named = [row for row in repositories if re.search(rf"{re.escape(row.name)}[:@\s]", said)]
    return queries.newest_tags(named or repositories)
