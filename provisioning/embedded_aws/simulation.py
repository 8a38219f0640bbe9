"""iam:SimulatePrincipalPolicy, which moto lacks: what the identity policies of a user or role
would say, evaluated like every call. Source: the IAM API reference."""

import re
from xml.sax.saxutils import escape

from provisioning.embedded_aws import authorization, identities
from provisioning.embedded_aws.authorization import Question, Verdict
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.errors import ApiError
from provisioning.embedded_aws.identities import Caller

DECISIONS = {
    Verdict.ALLOWED: "allowed",
    Verdict.DENIED: "explicitDeny",
    Verdict.SILENT: "implicitDeny",
}


def answer(call: Call) -> str:
    """IAM's XML response. Raises ApiError for a principal that does not exist."""
    arn = str(call.parameters["PolicySourceArn"])
    if not identities.is_principal(arn):
        raise ApiError(404, "NoSuchEntity", f"The entity {arn} cannot be found.")
    principal = Caller(call.account_id, arn, arn, "")
    documents = identities.identity_policies(principal)
    names = _members(call, "ContextEntries", r"\.ContextKeyName")
    values = _members(call, "ContextEntries", r"\.ContextKeyValues\.member\.1")
    context = dict(zip(names, values, strict=True))
    results = ""
    for action in _members(call, "ActionNames"):
        for resource in _members(call, "ResourceArns") or ["*"]:
            question = Question(principal, action, resource, context)
            decision = DECISIONS[authorization.by_identity(question, documents)]
            results += (
                f"<member><EvalActionName>{escape(action)}</EvalActionName>"
                f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
                f"<EvalDecision>{decision}</EvalDecision></member>"
            )
    return (
        '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        "<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>"
        f"<EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult>"
        "<ResponseMetadata><RequestId>embedded</RequestId></ResponseMetadata>"
        "</SimulatePrincipalPolicyResponse>"
    )


def _members(call: Call, name: str, part: str = "") -> list[str]:
    """The members of a list in the call's form, in the order they came."""
    pattern = re.compile(rf"{name}\.member\.\d+{part}")
    return [str(value) for key, value in call.parameters.items() if pattern.fullmatch(key)]
