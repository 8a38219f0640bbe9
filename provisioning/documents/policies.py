"""The policy documents: pure, and the only place that knows their shape.

A document is the dict of its JSON. Sources: the IAM user guide ("Grammar of
the IAM JSON policy language") and the ECR user guide ("Private repository policies").
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

VERSION = "2012-10-17"
# The Sid of the one statement in a repository's policy that is the portal's.
OUR_SID = "EcrPortal"
# Of the statement in a pull user's own policy that limits it to networks.
SOURCES_SID = "EcrPortalSources"
# The inline policy of a pull user: for repositories whose own policy has no room, and for networks.
USER_POLICY_NAME = "EcrPortalPull"
# What docker pull needs, and the check that is usually granted with it.
PULL_ACTIONS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)

REMEDY = "The AWS account's administrator can correct it, or delete it if it is not needed."


class MalformedPolicy(ValueError):
    """A document found in AWS that the portal cannot keep as it is."""


def to_json(document: Document) -> str:
    """The document as it is sent to AWS. Minified: ECR counts white space."""
    return json.dumps(document, separators=(",", ":"))


def from_json(text: str) -> Document:
    """The document in ``text``. Raises MalformedPolicy."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise MalformedPolicy(f"The policy found in AWS is not JSON: {error}. {REMEDY}") from None
    if not isinstance(document, dict):
        raise MalformedPolicy(f"The policy found in AWS is not a JSON object. {REMEDY}")
    for statement in statements(document):
        if not isinstance(statement, dict):
            raise MalformedPolicy(
                f"The policy found in AWS has a statement that is not an object. {REMEDY}"
            )
    return document


def from_found(found: str | Document) -> Document:
    """A document as it stands in IAM's answers, which botocore has decoded for most operations.
    Raises MalformedPolicy."""
    return from_json(found if isinstance(found, str) else json.dumps(found))


def login_policy() -> Document:
    """Lets a user sign in to every registry of the account, and nothing else.

    GetAuthorizationToken knows no resource ("Actions, resources, and condition keys for
    Amazon ECR"), hence the star.
    """
    return {
        "Version": VERSION,
        "Statement": [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}],
    }


def statements(document: Document | None) -> list[Any]:
    """The statements of a document; a lone one may stand without its list."""
    found = (document or {}).get("Statement", [])
    return found if isinstance(found, list) else [found]


def repository_policy(observed: Document | None, user_arns: Collection[str]) -> Document | None:
    """The policy a repository should have: every statement found there that is not ours,
    unchanged and in its order, then ours, which names exactly ``user_arns``.

    Only deleted principals are left out of foreign statements: ECR shows a deleted user by its
    id, and refuses a document that names it. None means that there should be no policy.
    """
    foreign = [_without_dead(s) for s in statements(observed) if s.get("Sid") != OUR_SID]
    kept = [statement for statement in foreign if statement is not None]
    ours = [pull_statement(user_arns)] if user_arns else []
    if not kept and not ours:
        return None
    rest = {key: value for key, value in (observed or {}).items() if key != "Statement"}
    return {"Version": VERSION} | rest | {"Statement": kept + ours}


def dead_principals(document: Document | None) -> set[str]:
    """The ids of deleted users and roles that foreign statements still name."""
    foreign = [s for s in statements(document) if s.get("Sid") != OUR_SID]
    return {
        principal
        for statement in foreign
        for principal in _aws_principals(statement)
        if _is_dead(principal)
    }


def _without_dead(statement: Document) -> Document | None:
    named = _aws_principals(statement)
    alive = [principal for principal in named if not _is_dead(principal)]
    if len(alive) == len(named):
        return statement
    principal = {key: value for key, value in statement["Principal"].items() if key != "AWS"}
    principal |= {"AWS": alive} if alive else {}
    return statement | {"Principal": principal} if principal else None


def _aws_principals(statement: Document) -> list[str]:
    principal = statement.get("Principal")
    return _as_list(principal.get("AWS", [])) if isinstance(principal, dict) else []


def _is_dead(principal: str) -> bool:
    # "Unique identifiers", IAM user guide: AIDA for users, AROA for roles.
    return str(principal).startswith(("AIDA", "AROA"))


def pull_statement(user_arns: Iterable[str]) -> Document:
    """The portal's own statement. A repository policy takes no Resource element."""
    return {
        "Sid": OUR_SID,
        "Effect": "Allow",
        "Principal": {"AWS": sorted(user_arns)},
        "Action": list(PULL_ACTIONS),
    }


@dataclass(frozen=True)
class UserPolicy:
    """What a pull user's own policy says: the repositories that it opens, by their ARNs, and the
    networks from which alone the user may do anything; none means from anywhere."""

    repositories: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()


NO_POLICY = UserPolicy()


def user_policy(content: UserPolicy) -> Document | None:
    """The document; None where there is nothing to say."""
    written: list[Document] = []
    if content.repositories:
        written.append(
            {
                "Sid": OUR_SID,
                "Effect": "Allow",
                "Action": list(PULL_ACTIONS),
                "Resource": sorted(content.repositories),
            }
        )
    if content.sources:
        # A call through a VPC endpoint has no such address, and is denied as well.
        condition = {"NotIpAddress": {"aws:SourceIp": sorted(content.sources)}}
        written.append(
            {
                "Sid": SOURCES_SID,
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": condition,
            }
        )
    return {"Version": VERSION, "Statement": written} if written else None


def content_of(document: Document | None) -> UserPolicy | None:
    """What a pull user's own policy says; None where the document is not one that the portal
    writes."""
    repositories: set[str] = set()
    sources: set[str] = set()
    for statement in statements(document):
        if statement.get("Effect") == "Deny":
            condition = statement.get("Condition", {}).get("NotIpAddress", {})
            sources |= set(_as_list(condition.get("aws:SourceIp", [])))
        else:
            repositories |= set(_as_list(statement.get("Resource", [])))
    content = UserPolicy(frozenset(repositories), frozenset(sources))
    return content if same_meaning(document, user_policy(content)) else None


def our_statements(document: Document | None) -> list[Document]:
    return [s for s in statements(document) if s.get("Sid") == OUR_SID]


def principals(document: Document | None) -> set[str]:
    """The principals of our own statement in a document found in AWS."""
    return {
        principal
        for statement in our_statements(document)
        for principal in _aws_principals(statement)
    }


def pullers(document: Document | None) -> list[tuple[str, str]]:
    """The principals that a repository's policy allows to pull, each with the Sid that does so.
    Deny statements and conditions are not considered."""
    found = []
    for statement in statements(document):
        actions = {str(action).lower() for action in _as_list(statement.get("Action", []))}
        if statement.get("Effect") == "Allow" and actions & {"*", "ecr:*", "ecr:batchgetimage"}:
            anyone = ["*"] if statement.get("Principal") == "*" else []
            sid = str(statement.get("Sid", ""))
            found += [(str(principal), sid) for principal in anyone + _aws_principals(statement)]
    return sorted(found)


def same_meaning(one: Document | None, other: Document | None) -> bool:
    """Whether two documents grant the same, however AWS returned them: the order of keys, actions
    and principals carries no meaning, nor does a scalar in place of a list of one."""
    return _normal(one) == _normal(other)


def _normal(document: Document | None) -> Any:
    if document is None:
        return None
    rest = {key: value for key, value in document.items() if key != "Statement"}
    return rest, sorted((_normal_part(s) for s in statements(document)), key=repr)


def _normal_part(part: Any) -> Any:
    if isinstance(part, dict):
        return tuple(sorted((key, _normal_part(value)) for key, value in part.items()))
    return tuple(sorted(str(item) for item in _as_list(part)))


def same_statement(document: Document | None, user_arns: Collection[str]) -> bool:
    """Whether our part of the document names exactly ``user_arns``, and nothing else."""
    expected = [pull_statement(user_arns)] if user_arns else []
    found = our_statements(document)
    return [_normal_part(s) for s in found] == [_normal_part(s) for s in expected]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
