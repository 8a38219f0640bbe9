"""How much AWS's policies and accounts hold. Pure."""

import re

from provisioning.documents import grammar, policies
from provisioning.documents.grammar import Document, to_json
from provisioning.documents.policies import UserPolicy

# "Repository policy length: 10,240 characters", ECR user guide, service quotas; not
# adjustable. White space counts, so documents are measured as they are sent.
REPOSITORY_POLICY_LIMIT = 10_240
# Past this, a new grant goes to the user's own policy, whose cost does not grow with the number
# of customers.
REPOSITORY_POLICY_FILL = REPOSITORY_POLICY_LIMIT * 9 // 10
# All inline policies of a user together, without white space: IAM quotas; as far as the account's
# own are not known.
USER_POLICY_LIMIT = 2_048
# "Each user can have a maximum of two access keys": IAM quotas. Inactive ones count.
ACCESS_KEYS_PER_USER = 2
# "Users per account", IAM quotas; as far as the account's own is not known.
USERS_PER_ACCOUNT = 5_000


def policy_length(document: Document | None) -> int:
    """Characters that the document takes of REPOSITORY_POLICY_LIMIT."""
    return len(to_json(document)) if document else 0


def principal_length(arn: str) -> int:
    """Characters that one more user takes in a statement, with its quotes and comma."""
    return len(arn) + 3


# The portal's own statement without any users, with an installation's id in its Sid.
STATEMENT_LENGTH = policy_length({"Version": grammar.VERSION, "Statement": []}) + policy_length(
    policies.pull_statement([], policies.Owner(policies.OUR_SID + "0" * 8))
)


def fits_user_policy(content: UserPolicy, limit: int = USER_POLICY_LIMIT) -> bool:
    document = policies.user_policy(content) or {}
    return len(re.sub(r"\s", "", to_json(document))) <= limit
