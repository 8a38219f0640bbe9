"""Policy evaluation, as far as the portal's policies need it: Effect, Principal, Action,
Resource, and the conditions in use. What is not understood never allows and always
denies. Source: the IAM user guide, "Policy evaluation logic"."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from provisioning.embedded_aws.identities import Caller, Document


class Verdict(Enum):
    ALLOWED = "allowed"
    DENIED = "denied"
    SILENT = "silent"


@dataclass(frozen=True)
class Question:
    """May ``caller`` do ``action`` to ``resource``? ``context`` holds condition keys."""

    caller: Caller
    action: str
    resource: str
    context: dict[str, str] = field(default_factory=dict)


def by_identity(question: Question, documents: Iterable[Document]) -> Verdict:
    """What the caller's own policies say."""
    return _verdict(
        question,
        (
            statement
            for document in documents
            for statement in _as_list(document.get("Statement", []))
            if _matches_any(question.resource, statement.get("Resource", []))
        ),
    )


def by_resource(question: Question, document: Document | None) -> Verdict:
    """What the resource's policy says about this caller."""
    statements = _as_list((document or {}).get("Statement", []))
    return _verdict(
        question,
        (
            statement
            for statement in statements
            if _names(statement.get("Principal"), question.caller)
        ),
    )


def _verdict(question: Question, statements: Iterable[Document]) -> Verdict:
    verdict = Verdict.SILENT
    for statement in statements:
        if not _is_about(question.action, statement):
            continue
        is_deny = statement.get("Effect") == "Deny"
        if not _holds(statement.get("Condition", {}), question, if_unknown=is_deny):
            continue
        if is_deny:
            return Verdict.DENIED
        verdict = Verdict.ALLOWED
    return verdict


def _is_about(action: str, statement: Document) -> bool:
    if "NotAction" in statement:
        return not _matches_any(action, statement["NotAction"], ignore_case=True)
    return _matches_any(action, statement.get("Action", []), ignore_case=True)


def _names(principal: Any, caller: Caller) -> bool:
    """Whether a Principal element names the caller. The account's root stands for the
    account, whose identity policies then decide: by itself it grants nothing."""
    if principal == "*":
        return True
    named = _as_list(principal.get("AWS", [])) if isinstance(principal, dict) else []
    return bool({"*", caller.arn, caller.principal_arn} & set(named))


def trusts(question: Question, document: Document | None) -> bool:
    """Whether a role's trust policy lets the caller assume it; here an account's root
    stands for everyone in the account whose own policies allow it."""
    root = f"arn:aws:iam::{question.caller.account_id}:root"
    for statement in _as_list((document or {}).get("Statement", [])):
        named = _as_list((statement.get("Principal") or {}).get("AWS", []))
        if not {root, question.caller.account_id, question.caller.principal_arn} & set(named):
            continue
        if _verdict(question, [statement]) is Verdict.ALLOWED:
            return True
    return False


def _holds(condition: Document, question: Question, *, if_unknown: bool) -> bool:
    context = {"aws:PrincipalArn": question.caller.principal_arn} | question.context
    context = {key.lower(): value for key, value in context.items()}
    for operator, tests in condition.items():
        for key, expected in tests.items():
            value = context.get(key.lower())
            match operator:
                case "StringEquals" | "ArnEquals":
                    is_so = value in _as_list(expected)
                case "StringLike" | "ArnLike":
                    is_so = value is not None and _matches_any(value, expected)
                case "IpAddress":
                    is_so = value is not None and _is_within(value, expected)
                case "NotIpAddress":
                    # "If the key is not present, the condition is met": negated operators.
                    is_so = value is None or not _is_within(value, expected)
                case _:
                    is_so = if_unknown
            if not is_so:
                return False
    return True


def _is_within(address: str, networks: Any) -> bool:
    return any(ip_address(address) in ip_network(network) for network in _as_list(networks))


def _matches_any(value: str, patterns: Any, *, ignore_case: bool = False) -> bool:
    return any(
        _pattern(pattern, ignore_case=ignore_case).match(value) for pattern in _as_list(patterns)
    )


@lru_cache(maxsize=4096)
def _pattern(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    # In a policy only * and ? are wildcards; fnmatch's brackets are not.
    return re.compile(
        fnmatch.translate(pattern.replace("[", "[[]")), re.IGNORECASE if ignore_case else 0
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
