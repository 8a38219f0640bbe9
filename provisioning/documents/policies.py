"""The policy documents: pure, and the only place that knows their shape.

A document is the dict of its JSON. Sources: the IAM user guide ("Grammar of
the IAM JSON policy language") and the ECR user guide ("Private repository policies").
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from provisioning.documents.grammar import (
    NOTHING,
    VERSION,
    Document,
    as_list,
    hash_of,
    normal_part,
    same_meaning,
    statements,
)

# The Sid of the portal's statements in a pull user's own policy. In a repository's policy an
# installation's id follows, because several installations may write there; earlier versions wrote
# it without.
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


def login_policy() -> Document:
    """Lets a user sign in to every registry of the account, and nothing else.

    GetAuthorizationToken knows no resource ("Actions, resources, and condition keys for
    Amazon ECR"), hence the star.
    """
    return {
        "Version": VERSION,
        "Statement": [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}],
    }


@dataclass(frozen=True)
class Owner:
    """Which statements of repositories' policies are this installation's: those with its ``sid``.

    Earlier versions wrote OUR_SID, as other installations may have done: such a statement is ours
    where all that it names is among ``known``, the ARNs of users that the database knows.
    """

    sid: str
    known: frozenset[str] = frozenset()

    def owns(self, statement: Document) -> bool:
        if statement.get("Sid") == self.sid:
            return True
        named = set(_aws_principals(statement))
        return statement.get("Sid") == OUR_SID and bool(named) and named <= self.known


def former_principals(document: Document | None) -> set[str]:
    """Whom statements with the Sid of earlier versions name."""
    former = [s for s in statements(document) if s.get("Sid") == OUR_SID]
    return {principal for statement in former for principal in _aws_principals(statement)}


def repository_policy(
    observed: Document | None, user_arns: Collection[str], owner: Owner
) -> Document | None:
    """The policy a repository should have: every statement found there that is not ours,
    unchanged and in its order, then ours, which names exactly ``user_arns``.

    Only deleted principals are left out of foreign statements: ECR shows a deleted user by its
    id, and refuses a document that names it. None means that there should be no policy.
    """
    foreign = [_without_dead(s) for s in statements(observed) if not owner.owns(s)]
    kept = [statement for statement in foreign if statement is not None]
    ours = [pull_statement(user_arns, owner)] if user_arns else []
    if not kept and not ours:
        return None
    # Without a Version, "${" has no meaning: what others wrote is left as they wrote it.
    rest = observed if observed is not None else {"Version": VERSION}
    return {key: value for key, value in rest.items() if key != "Statement"} | {
        "Statement": kept + ours
    }


def dead_principals(document: Document | None, owner: Owner) -> dict[str, list[str]]:
    """The ids of deleted users and roles that foreign statements still name, each with the Sids of
    these statements."""
    found: dict[str, list[str]] = {}
    for statement in statements(document):
        if not owner.owns(statement):
            for principal in filter(_is_dead, _named(statement)):
                found.setdefault(principal, []).append(str(statement.get("Sid", "without a Sid")))
    return found


def foreign_principals(document: Document | None, owner: Owner) -> dict[str, list[str]]:
    """The accounts, users and roles that foreign statements name, each with their Sids."""
    found: dict[str, list[str]] = {}
    for statement in statements(document):
        if not owner.owns(statement):
            for principal in _named(statement):
                if principal != "*":
                    sid = str(statement.get("Sid", "without a Sid"))
                    found.setdefault(principal, []).append(sid)
    return found


def _without_dead(statement: Document) -> Document | None:
    """The statement without deleted principals; None where it names nobody else. A NotPrincipal
    that spares only the dead spares nobody."""
    named = _named(statement)
    alive = [principal for principal in named if not _is_dead(principal)]
    if len(alive) == len(named):
        return statement
    element = "NotPrincipal" if "NotPrincipal" in statement else "Principal"
    principal = {key: value for key, value in statement[element].items() if key != "AWS"}
    principal |= {"AWS": alive} if alive else {}
    if principal:
        return statement | {element: principal}
    if element == "Principal":
        return None
    return {key: value for key, value in statement.items() if key != element} | {"Principal": "*"}


def _named(statement: Document) -> list[str]:
    """The AWS principals of a statement, also those that it spares."""
    return [*_aws_principals(statement), *_aws_principals(statement, "NotPrincipal")]


def _aws_principals(statement: Document, element: str = "Principal") -> list[str]:
    principal = statement.get(element)
    return as_list(principal.get("AWS", [])) if isinstance(principal, dict) else []


def _is_dead(principal: str) -> bool:
    # "Unique identifiers", IAM user guide: AIDA for users, AROA for roles.
    return str(principal).startswith(("AIDA", "AROA"))


def pull_statement(user_arns: Iterable[str], owner: Owner) -> Document:
    """The portal's own statement. A repository policy takes no Resource element."""
    return {
        "Sid": owner.sid,
        "Effect": "Allow",
        "Principal": {"AWS": sorted(user_arns)},
        "Action": list(PULL_ACTIONS),
    }


def seen_in(document: Document | None, owner: Owner) -> set[str]:
    """The users whom our statement in a document found in AWS lets pull: none where someone has
    edited more of it than its principals."""
    found: set[str] = set()
    for statement in statements(document):
        if owner.owns(statement):
            named = set(_aws_principals(statement))
            ours = pull_statement(named, owner) | {"Sid": statement["Sid"]}
            if normal_part(statement) == normal_part(ours):
                found |= named
    return found


def named_in(document: Document | None, owner: Owner) -> set[str]:
    """Whom our statements in a document name, whatever else someone has edited of them."""
    ours = [each for each in statements(document) if owner.owns(each)]
    return {principal for statement in ours for principal in _aws_principals(statement)}


def fingerprint(document: Document | None, owner: Owner) -> str:
    """What tells our statements in a document from others. The Sid does not count."""
    ours = [s | {"Sid": ""} for s in statements(document) if owner.owns(s)]
    return hash_of(sorted(map(normal_part, ours), key=repr)) if ours else NOTHING


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
            sources |= set(as_list(condition.get("aws:SourceIp", [])))
        else:
            repositories |= set(as_list(statement.get("Resource", [])))
    content = UserPolicy(frozenset(repositories), frozenset(sources))
    return content if same_meaning(document, user_policy(content)) else None
