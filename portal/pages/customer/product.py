"""A product: its progress, the credentials, and how to pull."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseClientRefresh

from accounts.actor import current_user
from accounts.permissions import MAY_HANDLE_CREDENTIALS, role_of
from portal.pages.forms import ErrorTextForm
from provisioning import instructions, queries
from provisioning.diagnosis.checks import diagnose
from provisioning.models import Entitlement, PullUser, Repository

IMAGES_PER_PAGE = 10


@login_required
@require_GET
def product(request: HttpRequest, pk: int, repository_pk: int | None = None) -> HttpResponse:
    """A product, and how to pull from one of its repositories: the first, if none is named."""
    entitlement = get_object_or_404(queries.of_user(current_user(request)), pk=pk)
    progress = queries.progress(entitlement)
    if request.htmx:  # type: ignore[attr-defined]
        context = {"entitlement": entitlement, "progress": progress}
        response = render(request, "customer/_progress.html", context)
        # At the end the rest of the page has changed as well.
        return response if progress.asks_again else HttpResponseClientRefresh()
    repositories = queries.open_repositories(entitlement)
    chosen = [row for row in repositories if repository_pk in (None, row.pk)][:1]
    if repository_pk and not chosen:
        raise Http404
    context = _context(request, entitlement, progress) | {
        "repositories": repositories,
        "targets": [_target(row, entitlement, request.GET.get("page")) for row in chosen],
    }
    return render(request, "customer/access.html", context)


def _context(
    request: HttpRequest, entitlement: Entitlement, progress: queries.Progress
) -> dict[str, Any]:
    role = role_of(current_user(request), entitlement.customer)
    credentials = [
        _credentials(pull_user)
        for pull_user in queries.pull_users(entitlement)
        if pull_user.is_ready
    ]
    return {
        "entitlement": entitlement,
        "progress": progress,
        "credentials": credentials,
        "has_several_accounts": len({row["pull_user"].account_id for row in credentials}) > 1,
        "is_unused": any(row["is_unused"] for row in credentials),
        "may_reveal": role in MAY_HANDLE_CREDENTIALS,
        "set_up": instructions.set_up(instructions.profile_of(settings.VENDOR_NAME)),
        "diagnoses": diagnose(entitlement),
        "form": ErrorTextForm(),
    }


def _credentials(pull_user: PullUser) -> dict[str, Any]:
    current = queries.current_key(pull_user)
    is_revealed = current is not None and not current.secret.is_unrevealed
    return {
        "pull_user": pull_user,
        "keys": queries.key_states(pull_user),
        "current": current,
        "claimed_until": queries.claimed_until(current) if current else None,
        "is_revealed": is_revealed,
        "can_rotate": is_revealed or pull_user.unclaimed_at,
        "is_unused": is_revealed and current is not None and current.last_used_at is None,
    }


def _target(repository: Repository, entitlement: Entitlement, page: str | None) -> dict[str, Any]:
    key = queries.key_for(entitlement, repository)
    target = instructions.PullTarget(
        profile=instructions.profile_of(settings.VENDOR_NAME),
        region=repository.registry.region,
        uri=repository.pull_uri,
        tag=repository.newest_tag or "TAG",
        endpoint_url=repository.registry.endpoint_url,
        access_key_id=key.access_key_id if key else "ACCESS_KEY_ID",
    )
    return {
        "slug": f"pull-{repository.pk}",
        "repository": repository,
        "target": target,
        "groups": instructions.in_groups(target),
        "images": Paginator(repository.images.all(), IMAGES_PER_PAGE).get_page(page),
    }
