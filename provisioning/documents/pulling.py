"""Whom a repository's policy lets pull, and whom it keeps from it. Pure.

Conditions are not evaluated, because they depend on the request: where one decides, the answer
names its keys. Sources: the IAM user guide, "Policy evaluation logic" and "AWS JSON policy
elements: NotPrincipal"; the ECR user guide, "Private repository policies".
"""

import fnmatch
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from provisioning.documents.grammar import Document, as_list, statements
from provisioning.documents.policies import PULL_ACTIONS

# What docker pull calls; the third pull action is only made before a push.
NEEDED = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
ANYONE = "*"


class Verdict(StrEnum):
    CAN_PULL = "can pull"
    CANNOT_TELL = "depends on conditions"
    CANNOT_PULL = "cannot pull"


@dataclass(frozen=True)
class Denial:
    """A statement that denies something to the ``principals``, or to anyone (ANYONE) but the
    ``spared``. ``condition`` names the keys on which it depends; without them it always applies."""

    sid: str
    principals: list[str]
    condition: list[str]
    spared: list[str] = field(default_factory=list)

    def is_for_pull_user(self, arn: str) -> bool:
        """Whether it is for a user who has a permissions boundary: NotPrincipal spares none."""
        return _are_for(self.principals, arn)

    def is_for(self, principal: str) -> bool:
        return _are_for(self.principals, principal) and not self._spares(principal)

    def _spares(self, principal: str) -> bool:
        """A user or role is spared only where its account is named as well: IAM user guide,
        "AWS JSON policy elements: NotPrincipal"."""
        account = _account(principal)
        if not account:
            return principal in self.spared
        is_account_spared = any(_is_account(each, account) for each in self.spared)
        return is_account_spared and (_is_account(principal, account) or principal in self.spared)

    @property
    def name(self) -> str:
        """Whom it is for, in words."""
        return _name(self.principals, self.spared)

    def __str__(self) -> str:
        name = f"statement {self.sid}" if self.sid else "a statement without a Sid"
        return f"{name}, depending on {', '.join(self.condition)}" if self.condition else name


@dataclass(frozen=True)
class Puller:
    """A principal that a policy allows to pull: an ARN or account, a service, a federated
    provider, or ANYONE, but the ``spared``.

    ``kind`` is the key under which the policy names it: AWS, Service, Federated, CanonicalUser.
    ``sids`` are those of the statements that allow it ("" for none); ``condition`` and
    ``denied_by`` say on what it depends.
    """

    principal: str
    kind: str
    verdict: Verdict
    sids: list[str]
    condition: list[str]
    denied_by: list[str]
    spared: list[str]

    @property
    def name(self) -> str:
        """Who it is, in words."""
        return _name([self.principal], self.spared)


def in_effect(document: Document | None, of_registry: Document | None, arn: str) -> Document | None:
    """A repository's policy together with what the policy of its registry says of the repository
    ``arn``: ECR user guide, "Private registry policies". The Sids of the latter say so."""
    more = [
        statement | {"Sid": f"{statement.get('Sid', 'without a Sid')} of the registry's policy"}
        for statement in statements(of_registry)
        if _is_about(statement, arn)
    ]
    if not more:
        return document
    return {"Statement": [*statements(document), *more]}


def _is_about(statement: Document, arn: str) -> bool:
    element = "NotResource" if "NotResource" in statement else "Resource"
    patterns = [str(each).replace("[", "[[]") for each in as_list(statement.get(element, ANYONE))]
    is_named = any(fnmatch.fnmatchcase(arn, pattern) for pattern in patterns)
    return is_named is (element == "Resource")


def pullers(document: Document | None) -> list[dict[str, Any]]:
    """Those whom a document allows to pull, as they are stored in JSON; ANYONE first."""
    allowing = [s for s in statements(document) if s.get("Effect") == "Allow"]
    named = sorted({principal for statement in allowing for principal in _named(statement)})
    denying = denied(document, NEEDED)
    found = (_puller(kind, principal, allowing, denying) for kind, principal in named)
    ordered = sorted(filter(None, found), key=lambda each: each.principal != ANYONE)
    return [asdict(each) for each in ordered]


def denials(document: Document | None) -> list[dict[str, Any]]:
    """The statements of a document that deny pulling, as they are stored in JSON."""
    return [asdict(denial) for denial in denied(document, PULL_ACTIONS)]


def denials_of(stored: list[dict[str, Any]], arn: str) -> list[Denial]:
    """Those that are for one pull user; those without a condition first."""
    found = [Denial(**each) for each in stored]
    return sorted(
        (each for each in found if each.is_for_pull_user(arn)), key=lambda each: each.condition
    )


def denied(document: Document | None, actions: Collection[str]) -> list[Denial]:
    """The statements that deny any of ``actions``."""
    return [
        Denial(
            str(statement.get("Sid", "")),
            [principal for _, principal in _named(statement)],
            _condition_keys([statement]),
            _spared(statement),
        )
        for statement in statements(document)
        if statement.get("Effect") == "Deny" and _covered(statement, actions)
    ]


def _puller(
    kind: str, principal: str, allowing: list[Document], denying: list[Denial]
) -> Puller | None:
    """None where the principal is not allowed all that pulling needs."""
    mine = [s for s in allowing if _covered(s, NEEDED) and _allows(s, kind, principal)]
    if not _all_covered(mine):
        return None
    stands = [denial for denial in denying if denial.is_for(principal)]
    if any(not denial.condition for denial in stands):
        verdict = Verdict.CANNOT_PULL
    elif stands or not _all_covered(s for s in mine if not s.get("Condition")):
        verdict = Verdict.CANNOT_TELL
    else:
        verdict = Verdict.CAN_PULL
    return Puller(
        principal,
        kind,
        verdict,
        sorted(str(statement.get("Sid", "")) for statement in mine),
        _condition_keys(mine),
        [str(denial) for denial in stands],
        sorted({each for statement in mine for each in _spared(statement)}),
    )


def _all_covered(allowing: Iterable[Document]) -> bool:
    covered = {action for statement in allowing for action in _covered(statement, NEEDED)}
    return covered == set(NEEDED)


def _covered(statement: Document, actions: Collection[str]) -> set[str]:
    """Those of ``actions`` that a statement is about."""
    element = "Action" if "Action" in statement else "NotAction"
    patterns = [str(each).lower().replace("[", "[[]") for each in as_list(statement.get(element))]
    named = {
        action
        for action in actions
        if any(fnmatch.fnmatchcase(action.lower(), pattern) for pattern in patterns)
    }
    return named if element == "Action" else set(actions) - named


def _allows(statement: Document, kind: str, principal: str) -> bool:
    named = set(_named(statement))
    return (kind, principal) in named or (
        ("AWS", ANYONE) in named and principal not in _spared(statement)
    )


def _named(statement: Document) -> Iterator[tuple[str, str]]:
    """The principals of a statement, each with its kind. With NotPrincipal: anyone."""
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        for kind, found in principal.items():
            yield from ((str(kind), str(each)) for each in as_list(found))
    elif principal == ANYONE or "NotPrincipal" in statement:
        yield "AWS", ANYONE


def _spared(statement: Document) -> list[str]:
    spared = statement.get("NotPrincipal")
    groups = spared.values() if isinstance(spared, dict) else []
    return sorted(str(each) for found in groups for each in as_list(found))


def _name(principals: list[str], spared: list[str]) -> str:
    named = ", ".join("anyone" if each == ANYONE else each for each in principals)
    return f"{named} but {', '.join(spared)}" if spared else named


def _are_for(principals: list[str], principal: str) -> bool:
    """Whether principals of a Deny cover one: naming an account covers everyone in it."""
    account = _account(principal)
    return any(each in (ANYONE, principal) or _is_account(each, account) for each in principals)


def _is_account(principal: str, account: str) -> bool:
    is_whole = principal.isdigit() or principal.endswith(":root")
    return bool(account) and is_whole and _account(principal) == account


def _account(principal: str) -> str:
    """The account of an ARN, or of its bare id; "" for services and the like."""
    if principal.isdigit():
        return principal
    return principal.split(":")[4] if principal.startswith("arn:") else ""


def _condition_keys(found: list[Document]) -> list[str]:
    tests = [test for statement in found for test in statement.get("Condition", {}).values()]
    return sorted({str(key) for test in tests for key in test})
