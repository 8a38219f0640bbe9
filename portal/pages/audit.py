"""The timeline of ops: every deed, filtered, on pages or as a file."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.timeline import TimelineForm, as_csv
from portal.pages.ops import ops_only

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
    """The lines of the same filter; all of them."""
    return as_csv(TimelineForm(request.GET).lines())
