"""The tab “Images”: what the repositories hold, as last read from ECR."""

import re

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.pages.customer.product.choices import Choices
from portal.pages.customer.product.frame import entitlement_of, frame
from provisioning.models import Image, Repository

PER_PAGE = 20
# Part of an image tag: OCI distribution specification, "Pulling manifests".
OF_A_TAG = re.compile(r"[\w.-]+", re.ASCII)


@login_required
@require_GET
def images(request: HttpRequest, pk: int) -> HttpResponse:
    entitlement = entitlement_of(request, pk)
    choices, sought = Choices(entitlement, request.GET), request.GET.get("q", "").strip()
    context = frame(request, entitlement, "images") | {"choices": choices, "sought": sought}
    if choices.repository:
        rows = _matching(choices.repository, sought)
        context["images"] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "customer/product/images.html", context)


def _matching(repository: Repository, sought: str) -> QuerySet[Image]:
    rows = repository.images.all()
    if not sought:
        return rows
    if sought.startswith("sha256:"):
        return rows.filter(digest__startswith=sought)
    # What stands in no tag stands in the JSON of the list of them.
    return rows.filter(tags__icontains=sought) if OF_A_TAG.fullmatch(sought) else rows.none()
