"""How much the policies hold, and where a grant is written. Pure."""

import re
from collections.abc import Collection

from provisioning import policies
from provisioning.policies import Document, to_json

# "Repository policy length: 10,240 characters", ECR user guide, service quotas; not
# adjustable. White space counts, so what is sent is counted as it is sent.
REPOSITORY_POLICY_LIMIT = 10_240
# Past this much of it a new grant goes to the user's own policy, which costs the same for
# the first customer and for the hundred thousandth.
REPOSITORY_POLICY_FILL = REPOSITORY_POLICY_LIMIT * 9 // 10
# All inline policies of a user together, without white space: IAM quotas.
USER_POLICY_LIMIT = 2_048
# "Users per account", IAM quotas; fixed.
USERS_PER_ACCOUNT = 5_000


def policy_length(document: Document | None) -> int:
    """Characters that the document takes of REPOSITORY_POLICY_LIMIT."""
    return len(to_json(document)) if document else 0


def principal_length(arn: str) -> int:
    """Characters that one more user takes of a statement: quotes and a comma with it."""
    return len(arn) + 3


# What the portal's own statement takes without its users.
STATEMENT_LENGTH = policy_length({"Version": policies.VERSION, "Statement": []}) + policy_length(
    policies.pull_statement([])
)


def fits_user_policy(repository_arns: Collection[str]) -> bool:
    document = policies.user_policy(repository_arns) or {}
    return len(re.sub(r"\s", "", to_json(document))) <= USER_POLICY_LIMIT
