"""Which statements of a policy keep a pull user from pulling. Pure."""

import fnmatch
from dataclasses import asdict, dataclass
from typing import Any

from provisioning.documents.grammar import Document, as_list, statements
from provisioning.documents.policies import PULL_ACTIONS


@dataclass(frozen=True)
class Denial:
    """A statement that denies pulling: to the ``principals``, or to everybody ("*").
    ``condition`` names the keys on which it depends; without them it always applies."""

    sid: str
    principals: list[str]
    condition: list[str]

    def is_for(self, arn: str) -> bool:
        account = arn.split(":")[4]
        return bool({"*", arn, account, f"arn:aws:iam::{account}:root"} & set(self.principals))

    def __str__(self) -> str:
        name = f"statement {self.sid}" if self.sid else "a statement without a Sid"
        return f"{name}, depending on {', '.join(self.condition)}" if self.condition else name


def denials(document: Document | None) -> list[dict[str, Any]]:
    """The denials of a document, as they are stored in JSON."""
    found = [_denial(s) for s in statements(document) if _denies_pulling(s)]
    return [asdict(denial) for denial in found]


def denials_of(stored: list[dict[str, Any]], arn: str) -> list[Denial]:
    """Those that are for one user; those without a condition first."""
    found = [Denial(**each) for each in stored]
    return sorted((each for each in found if each.is_for(arn)), key=lambda each: each.condition)


def _denies_pulling(statement: Document) -> bool:
    if statement.get("Effect") != "Deny":
        return False
    patterns = as_list(statement.get("Action", statement.get("NotAction", [])))
    covered = [
        any(fnmatch.fnmatchcase(action.lower(), str(each).lower()) for each in patterns)
        for action in PULL_ACTIONS
    ]
    return any(covered) if "Action" in statement else not all(covered)


def _denial(statement: Document) -> Denial:
    """NotPrincipal spares nobody here: "users with a permissions boundary are always denied by a
    Deny with NotPrincipal", IAM user guide, and every pull user has one."""
    principal = statement.get("Principal", "*")
    named = principal.get("AWS", []) if isinstance(principal, dict) else principal
    keys = [key for tests in statement.get("Condition", {}).values() for key in tests]
    return Denial(
        str(statement.get("Sid", "")), [str(each) for each in as_list(named)], sorted(set(keys))
    )
