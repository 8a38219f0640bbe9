"""How full AWS is, and how fast it lets itself be called."""

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.pages.guards import ops_only
from provisioning.aws import rate_limit
from provisioning.desired import capacity

PAGE_LENGTH = 25


@ops_only
@require_GET
def meters(request: HttpRequest) -> HttpResponse:
    page = Paginator(capacity.meters(), PAGE_LENGTH).get_page(request.GET.get("page"))
    rates = rate_limit.learnt() if settings.AWS_RATES else []
    return render(request, "ops/capacity.html", {"page": page, "rates": rates})
