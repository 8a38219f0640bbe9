"""How much a repository's policy holds, and what a grant takes of it."""

from provisioning.policies import Document, to_json

# "Repository policy length: 10,240 characters", ECR user guide, service quotas; not
# adjustable. White space counts, so what is sent is counted as it is sent.
REPOSITORY_POLICY_LIMIT = 10_240


def policy_length(document: Document | None) -> int:
    """Characters that the document takes of REPOSITORY_POLICY_LIMIT."""
    return len(to_json(document)) if document else 0


def fits(document: Document | None) -> bool:
    return policy_length(document) <= REPOSITORY_POLICY_LIMIT
