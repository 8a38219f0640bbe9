"""Who may do what, from identity and resource policies together."""

from typing import NamedTuple

from provisioning.embedded_aws import authorization, errors, identities
from provisioning.embedded_aws.authorization import Question, Verdict
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.config import Broken, Config
from provisioning.embedded_aws.repository_policies import RepositoryPolicies

# Their API references: nobody can be denied them.
NEEDS_NO_PERMISSION = {"sts:GetCallerIdentity", "sts:GetSessionToken"}


class ByIdentity(NamedTuple):
    """What the caller's own policies say, and what its permissions boundary does: ALLOWED where
    there is none."""

    policies: Verdict
    boundary: Verdict


class Access:
    """``policies``: those of the repositories, as AWS applies them."""

    def __init__(self, config: Config, policies: RepositoryPolicies) -> None:
        self._config = config
        self._policies = policies

    def require(self, call: Call) -> None:
        """Raise ApiError unless the caller may make the call."""
        if call.caller.is_root or call.action in NEEDS_NO_PERMISSION:
            return
        for action in call.actions:
            self._require(call, action)

    def _require(self, call: Call, action: str) -> None:
        question = Question(call.caller, action, call.resource, call.context)
        if call.operation == "AssumeRole":
            is_trusted = authorization.trusts(question, identities.trust_policy(call.resource))
            reason = None if is_trusted else "because the role's trust policy does not allow it"
            reason = reason or self._why_identity_denies(question)
        elif call.service == "ecr":
            reason = self.why_denied(question, call.account_id, call.region, call.repository)
        else:
            reason = self._why_identity_denies(question)
        if reason is not None:
            raise errors.denied(call.service, call.caller.arn, action, call.resource, reason)

    def _why_identity_denies(self, question: Question) -> str | None:
        return _why(question.action, self._by_identity(question))

    def why_denied(
        self, question: Question, account_id: str, region: str, repository: str
    ) -> str | None:
        """Identity, repository and registry policy together: in one account one of them is
        enough, across accounts the caller's own must allow it as well, and a Deny in any is
        final. The registry's (version 2, AWS's default) is about every request to ECR."""
        by_identity = self._by_identity(question)
        registry = self._policies.of_registry(account_id, region)
        by_resource = authorization.by_resource(question, registry)
        if repository and by_resource is not Verdict.DENIED:
            by_repository = self._by_repository(question, account_id, region, repository)
            rank = [Verdict.SILENT, Verdict.DELEGATED, Verdict.ALLOWED, Verdict.DENIED]
            by_resource = max(by_resource, by_repository, key=rank.index)
        return _why(
            question.action,
            by_identity,
            by_resource,
            is_same_account=question.caller.account_id == account_id,
            is_about_repository=bool(repository),
        )

    def _by_repository(
        self, question: Question, account_id: str, region: str, repository: str
    ) -> Verdict:
        if Broken.REPOSITORY_POLICY in self._config.broken:
            return Verdict.ALLOWED
        policy = self._policies.shown(account_id, region, repository)
        return authorization.by_resource(question, policy)

    def _by_identity(self, question: Question) -> ByIdentity:
        if Broken.IDENTITY_POLICY in self._config.broken:
            return ByIdentity(Verdict.ALLOWED, Verdict.ALLOWED)
        policies = identities.identity_policies(question.caller)
        boundary = identities.boundary(question.caller)
        limit = authorization.by_identity(question, [boundary]) if boundary else Verdict.ALLOWED
        return ByIdentity(authorization.by_identity(question, policies), limit)


def _why(
    action: str,
    by: ByIdentity,
    by_resource: Verdict = Verdict.SILENT,
    *,
    is_same_account: bool = True,
    is_about_repository: bool = False,
) -> str | None:
    """Why it is denied, in AWS's words; None where it is allowed.

    A Deny counts whatever allows. What a boundary merely does not allow limits the identity's own
    policies, and not a resource's policy that names the user.
    """
    denials = {
        "an identity-based policy": by.policies,
        "a permissions boundary": by.boundary,
        "a resource-based policy": by_resource,
    }
    for name, verdict in denials.items():
        if verdict is Verdict.DENIED:
            return f"with an explicit deny in {name}"
    is_allowed = by.policies is Verdict.ALLOWED and by.boundary is Verdict.ALLOWED
    if is_same_account and (is_allowed or by_resource is Verdict.ALLOWED):
        return None
    if is_allowed and by_resource in (Verdict.ALLOWED, Verdict.DELEGATED):
        return None
    # Of the policies that lack an Allow, AWS names one: ECR the repository's.
    if by.policies is not Verdict.ALLOWED and not is_about_repository:
        return f"because no identity-based policy allows the {action} action"
    if by.boundary is not Verdict.ALLOWED:
        return f"because no permissions boundary allows the {action} action"
    return f"because no resource-based policy allows the {action} action"
