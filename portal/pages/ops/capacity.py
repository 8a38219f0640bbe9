"""How full AWS is."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.pages.guards import ops_only
from provisioning.desired import capacity

PAGE_LENGTH = 25


@ops_only
@require_GET
def meters(request: HttpRequest) -> HttpResponse:
    page = Paginator(capacity.meters(), PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "ops/capacity.html", {"page": page})
