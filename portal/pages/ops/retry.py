"""Ops ask for another try of what is stuck."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from accounts.actor import actor
from portal.pages.guards import ops_only
from portal.pages.perform import perform
from provisioning.flows.retry import retry
from provisioning.models import PullUser, Reconciled, Registry, Repository


@ops_only
@require_POST
def retry_pull_user(request: HttpRequest, pk: int) -> HttpResponse:
    return _retry(request, get_object_or_404(PullUser, pk=pk))


@ops_only
@require_POST
def retry_repository(request: HttpRequest, pk: int) -> HttpResponse:
    return _retry(request, get_object_or_404(Repository, pk=pk))


@ops_only
@require_POST
def retry_registry(request: HttpRequest, pk: int) -> HttpResponse:
    return _retry(request, get_object_or_404(Registry, pk=pk))


def _retry(request: HttpRequest, row: Reconciled) -> HttpResponse:
    perform(request, lambda: retry(row, by=actor(request)), done=f"{row} is being retried now.")
    return redirect("ops:dashboard")
