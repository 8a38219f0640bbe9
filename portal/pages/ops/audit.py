"""The audit log for ops: every action, filtered, on pages or as a file."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.audit.timeline import TimelineForm, as_csv
from portal.pages.guards import ops_only

PAGE_LENGTH = 50


@ops_only
@require_GET
def timeline(request: HttpRequest) -> HttpResponse:
    form = TimelineForm(request.GET)
    page = Paginator(form.lines(), PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "ops/audit.html", {"form": form, "page": page})


@ops_only
@require_GET
def export(request: HttpRequest) -> HttpResponseBase:
    """All lines that match the same filter."""
    return as_csv(TimelineForm(request.GET).lines())
