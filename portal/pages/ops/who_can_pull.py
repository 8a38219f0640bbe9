"""Who can pull from a repository, as AWS was last read."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from portal.pages.guards import ops_only
from provisioning.documents.pulling import Denial, Puller
from provisioning.models import Repository


@ops_only
@require_GET
def who_can_pull(request: HttpRequest, pk: int) -> HttpResponse:
    repository = get_object_or_404(Repository.objects.select_related("registry"), pk=pk)
    pullers = {each["principal"]: Puller(**each) for each in repository.pullers}
    users = {grant.pull_user.arn: grant for grant in repository.grants.select_related("pull_user")}
    admitted = [arn for arn, grant in users.items() if arn in pullers or grant.in_user_policy]
    context = {
        "repository": repository,
        "others": [puller for arn, puller in pullers.items() if arn not in users],
        "denials": [Denial(**each) for each in repository.denials],
        # A pull user has a boundary, so its denials are not those of others.
        "customers": [
            {
                "arn": arn,
                "placement": "the repository's policy" if arn in pullers else "its own policy",
                "denied_by": repository.denials_of(arn),
            }
            for arn in sorted(admitted)
        ],
    }
    return render(request, "ops/who_can_pull.html", context)
