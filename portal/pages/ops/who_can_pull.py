"""Who can pull from a repository, as AWS was last read."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from portal.pages.guards import ops_only
from provisioning.models import Grant, Repository


@ops_only
@require_GET
def who_can_pull(request: HttpRequest, pk: int) -> HttpResponse:
    repository = get_object_or_404(Repository.objects.select_related("registry"), pk=pk)
    in_users = repository.grants.filter(in_user_policy=True).select_related("pull_user")
    known = set(
        Grant.objects.filter(repository=repository).values_list("pull_user__arn", flat=True)
    )
    by_policy = [
        {"principal": principal, "sid": sid, "is_ours": principal in known}
        for principal, sid in repository.pullers
    ]
    context = {"repository": repository, "by_policy": by_policy, "in_users": in_users}
    return render(request, "ops/who_can_pull.html", context)
