"""The names of what the portal creates in AWS. Pure."""

from collections.abc import Mapping

# "User names … up to 64 characters": IAM user guide, "IAM and AWS STS quotas".
USER_NAME_LIMIT = 64
DEFAULT_LABEL = "default"

MANAGED_BY = {"managed-by": "ecr-portal"}


def user_name(customer_slug: str, label: str = DEFAULT_LABEL) -> str:
    """The IAM user name of a customer's pull user.

    The label ``default`` is left out: the shorter the names, the more customers fit into a
    repository's policy. Raises ValueError past IAM's 64 characters.
    """
    name = customer_slug if label == DEFAULT_LABEL else f"{customer_slug}.{label}"
    if len(name) > USER_NAME_LIMIT:
        raise ValueError(
            f"An IAM user name has at most {USER_NAME_LIMIT} characters; {name!r} is longer."
        )
    return name


def user_tags(customer_slug: str, label: str) -> dict[str, str]:
    """The tags by which the portal recognises its users."""
    return MANAGED_BY | {"ecr-portal:customer": customer_slug, "ecr-portal:label": label}


def epoch_tag(installation: str) -> str:
    """The tag of the sign-in policy in which an account keeps the epoch of an installation."""
    return f"ecr-portal:epoch:{installation}"


def split_user_name(name: str) -> tuple[str, str]:
    """The customer's slug and the label of which ``user_name`` makes this name."""
    slug, _, label = name.partition(".")
    return slug, label or DEFAULT_LABEL


def is_ours(tags: Mapping[str, str], *, customer_slug: str, label: str) -> bool:
    """Whether the portal created a user with these tags for this customer and label."""
    return user_tags(customer_slug, label).items() <= tags.items()


def user_arn(account_id: str, path: str, name: str) -> str:
    """The ARN of an IAM user; ``path`` begins and ends with a slash."""
    return f"arn:aws:iam::{account_id}:user{path}{name}"


def repository_arn(account_id: str, region: str, name: str) -> str:
    return f"arn:aws:ecr:{region}:{account_id}:repository/{name}"


def repository_uri(account_id: str, region: str, name: str) -> str:
    """Where ``docker pull`` finds a repository, without a tag."""
    return f"{account_id}.dkr.ecr.{region}.amazonaws.com/{name}"
