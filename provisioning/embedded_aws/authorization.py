"""Policy evaluation: Effect, Principal, Action, Resource and Condition. What is not understood
never allows and always denies. Source: the IAM user guide, "Policy evaluation logic"."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from provisioning.embedded_aws import conditions
from provisioning.embedded_aws.conditions import as_list, matches
from provisioning.embedded_aws.identities import Caller, Document


class Verdict(Enum):
    ALLOWED = "allowed"
    # A resource's policy leaves it to the caller's account: its identity policies decide.
    DELEGATED = "delegated"
    DENIED = "denied"
    SILENT = "silent"


@dataclass(frozen=True)
class Question:
    """May ``caller`` do ``action`` to ``resource``? ``context`` holds condition keys."""

    caller: Caller
    action: str
    resource: str
    context: dict[str, str] = field(default_factory=dict)

    @property
    def condition_keys(self) -> dict[str, str]:
        """Every key of the request, in lower case."""
        caller = self.caller
        keys = {
            "aws:PrincipalArn": caller.principal_arn,
            "aws:PrincipalAccount": caller.account_id,
            "aws:PrincipalIsAWSService": "false",
            "aws:ViaAWSService": "false",
        }
        if caller.token_issued_at:
            keys["aws:TokenIssueTime"] = caller.token_issued_at
        return {key.lower(): value for key, value in (keys | self.context).items()}


def by_identity(question: Question, documents: Iterable[Document]) -> Verdict:
    """What the caller's own policies say."""
    statements = [each for document in documents for each in statements_of(document)]
    return _verdict(question, {id(s): Verdict.ALLOWED for s in statements}, statements)


def by_resource(question: Question, document: Document | None) -> Verdict:
    """What the policy of a repository or of a registry says about this caller."""
    statements = statements_of(document)
    named = {id(statement): _named(statement, question.caller) for statement in statements}
    return _verdict(question, named, statements)


def trusts(question: Question, document: Document | None) -> bool:
    """Whether a role's trust policy lets the caller assume it; naming the account is enough where
    the caller's own policies allow it."""
    return by_resource(question, document) in (Verdict.ALLOWED, Verdict.DELEGATED)


def statements_of(document: Document | None) -> list[Document]:
    """The statements of a document; a lone one may stand without its list."""
    return as_list((document or {}).get("Statement", []))


def _verdict(question: Question, named: dict[int, Verdict], statements: list[Document]) -> Verdict:
    """``named``: what each statement would mean to the caller by its principals alone."""
    verdict = Verdict.SILENT
    for statement in statements:
        by_name = named[id(statement)]
        if by_name is Verdict.SILENT or not _is_about(question, statement):
            continue
        is_deny = statement.get("Effect") == "Deny"
        is_met = conditions.holds(statement.get("Condition", {}), question.condition_keys)
        if is_deny if is_met is None else is_met:
            if is_deny:
                return Verdict.DENIED
            verdict = by_name if verdict is not Verdict.ALLOWED else verdict
    return verdict


def _is_about(question: Question, statement: Document) -> bool:
    return _covers(statement, "Action", question.action, ignore_case=True) and _covers(
        statement, "Resource", question.resource
    )


def _covers(statement: Document, element: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether an element, or its negation, covers the value. A repository's policy has no
    Resource: it is about the repository."""
    patterns = statement.get(element, statement.get(f"Not{element}"))
    if patterns is None:
        return element == "Resource"
    is_named = any(matches(value, each, ignore_case=ignore_case) for each in as_list(patterns))
    return is_named is (element in statement)


def _named(statement: Document, caller: Caller) -> Verdict:
    """What a statement's principals make of the caller: ALLOWED where it is named itself,
    DELEGATED where its account is, SILENT where neither is.

    A Deny that names an account is for everybody in it. "Use NotPrincipal with Deny": who should
    be spared is named together with its account, and nobody who has a permissions boundary ever
    is.
    """
    is_deny = statement.get("Effect") == "Deny"
    account = {caller.account_id, f"arn:aws:iam::{caller.account_id}:root"}
    if "NotPrincipal" in statement:
        spared = set(aws_principals(statement["NotPrincipal"]))
        is_named = bool(caller.arns & spared)
        if is_deny:
            is_spared = is_named and bool(account & spared) and not caller.has_boundary
            return Verdict.SILENT if is_spared else Verdict.ALLOWED
        return Verdict.SILENT if is_named or account & spared else Verdict.ALLOWED
    named = set(aws_principals(statement.get("Principal")))
    if named & ({"*"} | caller.arns):
        return Verdict.ALLOWED
    if named & account:
        return Verdict.ALLOWED if is_deny else Verdict.DELEGATED
    return Verdict.SILENT


def aws_principals(principal: Any) -> list[str]:
    """The accounts, users and roles of a Principal element; services and federated users are no
    callers here."""
    if isinstance(principal, dict):
        return [str(each) for each in as_list(principal.get("AWS", []))]
    return as_list(principal) if isinstance(principal, str) else []
