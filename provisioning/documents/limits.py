"""How much AWS's policies and accounts hold. Pure."""

import re

from provisioning.documents import policies
from provisioning.documents.policies import Document, UserPolicy, to_json

# "Repository policy length: 10,240 characters", ECR user guide, service quotas; not
# adjustable. White space counts, so documents are measured as they are sent.
REPOSITORY_POLICY_LIMIT = 10_240
# Past this, a new grant goes to the user's own policy, whose cost does not grow with the number
# of customers.
REPOSITORY_POLICY_FILL = REPOSITORY_POLICY_LIMIT * 9 // 10
# All inline policies of a user together, without white space: IAM quotas.
USER_POLICY_LIMIT = 2_048
# "Each user can have a maximum of two access keys": IAM quotas. Inactive ones count.
ACCESS_KEYS_PER_USER = 2
# "Users per account", IAM quotas; fixed.
USERS_PER_ACCOUNT = 5_000


def policy_length(document: Document | None) -> int:
    """Characters that the document takes of REPOSITORY_POLICY_LIMIT."""
    return len(to_json(document)) if document else 0


def principal_length(arn: str) -> int:
    """Characters that one more user takes in a statement, with its quotes and comma."""
    return len(arn) + 3


# The portal's own statement without any users.
STATEMENT_LENGTH = policy_length({"Version": policies.VERSION, "Statement": []}) + policy_length(
    policies.pull_statement([])
)


def fits_user_policy(content: UserPolicy) -> bool:
    document = policies.user_policy(content) or {}
    return len(re.sub(r"\s", "", to_json(document))) <= USER_POLICY_LIMIT
