"""The policy documents: pure, and the only place that knows their shape.

A document is the dict that its JSON spells. Sources: the IAM user guide ("Grammar of
the IAM JSON policy language") and the ECR user guide ("Private repository policies").
"""

import json
from collections.abc import Collection, Iterable
from typing import Any

Document = dict[str, Any]

VERSION = "2012-10-17"
# Marks the one statement of a repository's policy that the portal owns.
OUR_SID = "EcrPortal"
# The inline policy of a pull user for the repositories whose own policy has no room.
USER_POLICY_NAME = "EcrPortalPull"
# What docker pull needs, and the check that is customarily granted with it.
PULL_ACTIONS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)


MENDING = "The AWS account's administrator can correct it, or delete it if nobody needs it."


class MalformedPolicy(ValueError):
    """A document found in AWS is not one that the portal can carry over."""


def to_json(document: Document) -> str:
    """The document as AWS is given it. Minified: ECR counts white space."""
    return json.dumps(document, separators=(",", ":"))


def from_json(text: str) -> Document:
    """The document that ``text`` spells. Raises MalformedPolicy."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise MalformedPolicy(f"The policy found in AWS is not JSON: {error}. {MENDING}") from None
    if not isinstance(document, dict):
        raise MalformedPolicy(f"The policy found in AWS is not a JSON object. {MENDING}")
    for statement in statements(document):
        if not isinstance(statement, dict):
            raise MalformedPolicy(
                f"The policy found in AWS has a statement that is not an object. {MENDING}"
            )
    return document


def from_found(found: str | Document) -> Document:
    """A document as IAM's answers have it: botocore has decoded those of most operations.
    Raises MalformedPolicy."""
    return from_json(found if isinstance(found, str) else json.dumps(found))


def login_policy() -> Document:
    """Lets its bearer sign in to every registry of the account, and nothing else.

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
    untouched and in its order, then ours, which names exactly ``user_arns``.

    Only the dead are left out of foreign statements: ECR shows a deleted user by its id, and
    refuses a document that names it. None means that there should be no policy at all.
    """
    foreign = [_without_dead(s) for s in statements(observed) if s.get("Sid") != OUR_SID]
    kept = [statement for statement in foreign if statement is not None]
    ours = [pull_statement(user_arns)] if user_arns else []
    if not kept and not ours:
        return None
    rest = {key: value for key, value in (observed or {}).items() if key != "Statement"}
    return {"Version": VERSION} | rest | {"Statement": kept + ours}


def dead_principals(document: Document | None) -> set[str]:
    """The deleted users and roles that foreign statements still name, by their ids."""
    foreign = [s for s in statements(document) if s.get("Sid") != OUR_SID]
    return {who for statement in foreign for who in _aws_principals(statement) if _is_dead(who)}


def _without_dead(statement: Document) -> Document | None:
    named = _aws_principals(statement)
    alive = [who for who in named if not _is_dead(who)]
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


def user_policy(repository_arns: Collection[str]) -> Document | None:
    """A pull user's own policy, which opens exactly these repositories; None for none."""
    if not repository_arns:
        return None
    statement = {
        "Sid": OUR_SID,
        "Effect": "Allow",
        "Action": list(PULL_ACTIONS),
        "Resource": sorted(repository_arns),
    }
    return {"Version": VERSION, "Statement": [statement]}


def opened_by(document: Document | None) -> frozenset[str] | None:
    """The repositories that a pull user's own policy opens; None where the document is not
    one that the portal writes."""
    found = [
        arn for statement in statements(document) for arn in _as_list(statement.get("Resource", []))
    ]
    return frozenset(found) if same_meaning(document, user_policy(found)) else None


def our_statements(document: Document | None) -> list[Document]:
    return [s for s in statements(document) if s.get("Sid") == OUR_SID]


def principals(document: Document | None) -> set[str]:
    """Who our own statement names in a document found in AWS."""
    return {who for statement in our_statements(document) for who in _aws_principals(statement)}


def pullers(document: Document | None) -> list[tuple[str, str]]:
    """Whom a repository's policy lets pull, each with the Sid that does it. What other
    statements deny, and conditions, are not counted."""
    found = []
    for statement in statements(document):
        actions = {str(action).lower() for action in _as_list(statement.get("Action", []))}
        if statement.get("Effect") == "Allow" and actions & {"*", "ecr:*", "ecr:batchgetimage"}:
            anybody = ["*"] if statement.get("Principal") == "*" else []
            sid = str(statement.get("Sid", ""))
            found += [(str(who), sid) for who in anybody + _aws_principals(statement)]
    return sorted(found)


def same_meaning(one: Document | None, other: Document | None) -> bool:
    """Whether two documents grant the same, however AWS wrote them back: the order of
    keys, actions and principals, and a scalar for a list of one, carry no meaning."""
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
    wanted = [pull_statement(user_arns)] if user_arns else []
    found = our_statements(document)
    return [_normal_part(s) for s in found] == [_normal_part(s) for s in wanted]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
