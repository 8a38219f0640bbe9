"""Who may do what, from identity and resource policies together."""

from provisioning.embedded_aws import authorization, errors, identities
from provisioning.embedded_aws.authorization import Question, Verdict
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.config import Broken, Config
from provisioning.embedded_aws.repository_policies import RepositoryPolicies


class Access:
    """``policies``: those of the repositories, as AWS applies them."""

    def __init__(self, config: Config, policies: RepositoryPolicies) -> None:
        self._config = config
        self._policies = policies

    def require(self, call: Call) -> None:
        """Raise ApiError unless the caller may make the call."""
        if call.caller.is_root or call.action == "sts:GetCallerIdentity":
            return
        for action in call.actions:
            self._require(call, action)

    def _require(self, call: Call, action: str) -> None:
        question = Question(call.caller, action, call.resource, call.context)
        if call.operation == "AssumeRole":
            is_trusted = authorization.trusts(question, identities.trust_policy(call.resource))
            reason = None if is_trusted else "the role's trust policy does not allow it"
            reason = reason or self._why_identity_denies(question)
        elif call.service == "ecr" and call.repository:
            reason = self.why_denied(question, call.account_id, call.region, call.repository)
        else:
            reason = self._why_identity_denies(question)
        if reason is not None:
            raise errors.denied(call.service, call.caller.arn, action, call.resource, reason)

    def _why_identity_denies(self, question: Question) -> str | None:
        if self._by_identity(question) is Verdict.ALLOWED:
            return None
        return f"no identity-based policy allows the {question.action} action"

    def why_denied(
        self, question: Question, account_id: str, region: str, repository: str
    ) -> str | None:
        """Identity and repository policy together: in one account either is enough,
        across accounts both are needed, and a Deny in either is final."""
        by_identity = self._by_identity(question)
        if Broken.REPOSITORY_POLICY in self._config.broken:
            by_repository = Verdict.ALLOWED
        else:
            policy = self._policies.shown(account_id, region, repository)
            by_repository = authorization.by_resource(question, policy)
        verdicts = (by_identity, by_repository)
        if Verdict.DENIED in verdicts:
            return "of an explicit deny"
        needed = any if question.caller.account_id == account_id else all
        if needed(verdict is Verdict.ALLOWED for verdict in verdicts):
            return None
        return f"no resource-based policy allows the {question.action} action"

    def _by_identity(self, question: Question) -> Verdict:
        if Broken.IDENTITY_POLICY in self._config.broken:
            return Verdict.ALLOWED
        verdict = authorization.by_identity(question, identities.identity_policies(question.caller))
        boundary = identities.boundary(question.caller)
        if boundary is None:
            return verdict
        # A Deny counts whoever allows; what is merely not allowed limits the identity's own
        # policies, and not a repository's policy that names the user.
        limit = authorization.by_identity(question, [boundary])
        return limit if verdict is Verdict.ALLOWED or limit is Verdict.DENIED else verdict
