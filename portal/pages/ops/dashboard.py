"""The dashboard of ops: the progress of every entitlement, and what is stuck."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.pages.guards import ops_only
from provisioning import queries
from provisioning.models import Drift, Installation, Registry

PAGE_LENGTH = 25


@ops_only
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    page = Paginator(queries.entitlements(), PAGE_LENGTH).get_page(request.GET.get("page"))
    rows = [
        {
            "entitlement": row,
            "progress": queries.progress(row),
            "pull_users": queries.pull_users(row),
            "stuck_repositories": queries.stuck_repositories(row),
            "repositories": queries.repositories(row),
        }
        for row in page
    ]
    undecided = Drift.objects.open().filter(choice="").count()
    context = {
        "page": page,
        "rows": rows,
        "installation": Installation.get(),
        "paused": Registry.objects.filter(paused_at__isnull=False),
        "drift_label": f"Drift: {undecided}" if undecided else "No drift",
    }
    return render(request, "ops/dashboard.html", context)
