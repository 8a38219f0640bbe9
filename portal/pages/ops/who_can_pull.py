"""Who can pull from a repository, as AWS was last read."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from portal.pages.guards import ops_only
from provisioning.documents.pulling import Denial, Puller
from provisioning.models import Grant, Repository


@ops_only
@require_GET
def who_can_pull(request: HttpRequest, pk: int) -> HttpResponse:
    repository = get_object_or_404(Repository.objects.select_related("registry"), pk=pk)
    in_users = repository.grants.filter(in_user_policy=True).select_related("pull_user")
    known = set(
        Grant.objects.filter(repository=repository).values_list("pull_user__arn", flat=True)
    )
    pullers = [Puller(**each) for each in repository.pullers]
    context = {
        "repository": repository,
        "others": [puller for puller in pullers if puller.principal not in known],
        "denials": [Denial(**each) for each in repository.denials],
        "by_policy": [puller for puller in pullers if puller.principal in known],
        "in_users": in_users,
    }
    return render(request, "ops/who_can_pull.html", context)
