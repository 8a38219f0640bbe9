""" "Why can't I pull?": what the portal knows about it, and what the client's error means."""

import re
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from portal.pages.customer.product.choices import Choices, by_name
from portal.pages.customer.product.frame import entitlement_of, frame
from portal.pages.forms import ErrorTextForm
from provisioning import queries
from provisioning.diagnosis.checks import Diagnosis, diagnose
from provisioning.diagnosis.client_errors import CLIENT_ERRORS
from provisioning.diagnosis.in_text import known_of
from provisioning.diagnosis.matching import matching
from provisioning.models import Entitlement, Repository
from provisioning.queries.progress import ATTENTION

# Where the product has no repository yet.
PLACES = {"region": "REGION", "profile": "PROFILE", "host": "REGISTRY", "image": "IMAGE"}


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
    checked = diagnose(entitlement)
    found = matching(error_text)
    is_about_tags = any(row.slug == "tag" for row in found)
    named = _named(entitlement, error_text)
    values = _values(entitlement, named)
    context = frame(request, entitlement, "diagnosis") | {
        "diagnoses": checked,
        "form": form,
        "is_asked": is_asked,
        "known": _known(entitlement, error_text, checked) if is_asked else [],
        "found": [(row, row.commands_for(**values)) for row in found],
        "tags": _tags(entitlement, named) if is_about_tags else [],
        "others": [row for row in CLIENT_ERRORS if row not in found],
        "support_mail": _support_mail(entitlement, checked),
    }
    return render(request, "customer/product/diagnosis.html", context)


@sensitive_variables("error_text")
def _known(entitlement: Entitlement, error_text: str, checked: list[Diagnosis]) -> list[Diagnosis]:
    """What the portal itself knows to be wrong: that comes before what words mean."""
    troubles = [row for row in checked if row.state == ATTENTION]
    return [*known_of(entitlement, error_text), *troubles]


@sensitive_variables("error_text")
def _named(entitlement: Entitlement, error_text: str) -> list[Repository]:
    """The open repositories that the error names."""
    opened = queries.open_repositories(entitlement)
    return [row for row in opened if re.search(rf"{re.escape(row.name)}[:@\s]", error_text)]


def _tags(entitlement: Entitlement, named: list[Repository]) -> list[tuple[Repository, list[str]]]:
    return queries.newest_tags(named or queries.open_repositories(entitlement))


def _values(entitlement: Entitlement, named: list[Repository]) -> dict[str, str]:
    """What fills in the commands: of the repository that the error names, or of the first."""
    opened = by_name(queries.open_repositories(entitlement))
    wanted = [name for name, row in opened.items() if row in named]
    query = QueryDict(urlencode({"repository": wanted[0]})) if wanted else QueryDict()
    choices = Choices(entitlement, query)
    if choices.repository is None:
        return PLACES
    target = choices.target_in(choices.repository)
    image = target.image if choices.image else f"{target.uri}:TAG"
    values = {"region": target.region, "profile": target.profile}
    return values | {"host": target.host, "image": image}


def _support_mail(entitlement: Entitlement, checked: list[Diagnosis]) -> str:
    """The address of a mail that has the check in it, and no secret. The customer adds the
    error."""
    lines = [f"{row.about}: {row.words} {row.at or ''}".rstrip() for row in checked]
    body = "\n".join(
        [
            f"{entitlement.customer} cannot pull {entitlement.product}.",
            "",
            "The error, without keys and tokens:",
            "",
            "",
            "The portal's check:",
            *lines,
        ]
    )
    subject = f"Cannot pull {entitlement.product} ({entitlement.customer})"
    return f"mailto:{settings.SUPPORT_EMAIL}?subject={quote(subject)}&body={quote(body)}"
