"""A temporary user goes through what pull users go through: it is created, given a key, added to
a repository's policy, and removed. Nothing is left behind, whatever happens.

On the way it checks the assumptions that the portal was built on without an AWS account, by their
numbers in docs/live-checks.md. An assumption that does not hold is a warning, to be recorded there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from provisioning.aws import errors
from provisioning.aws.probe import Answer
from provisioning.checkup.polling import Polling
from provisioning.checkup.results import (
    CHECK_TAGS,
    CHECK_USER,
    CheckResult,
    Subject,
    fact,
    fail,
    ok,
    warn,
)
from provisioning.documents import grammar, limits, policies
from provisioning.documents.policies import Owner
from provisioning.models import Installation

GONE = {"", "NoSuchEntity", "RepositoryPolicyNotFoundException"}


@dataclass
class RoundTrip:
    subject: Subject
    polling: Polling
    keys: list[str] = field(default_factory=list)
    # None while AWS has not answered whether it exists.
    exists: bool | None = False
    # The repository whose policy was set. It had none before.
    repository: str = ""

    def run(self) -> Iterator[CheckResult]:
        """Make the round trip, and yield what was seen."""
        seen: list[CheckResult] = []
        user = self.polling.ask("iam:GetUser", UserName=CHECK_USER)
        if not user.is_done:
            yield fact(
                20, f"GetUser for a user that does not exist: {user}", user.code == "NoSuchEntity"
            )
        elif _tags(user) != CHECK_TAGS:
            yield fail(
                "round trip",
                f"The account has a user {CHECK_USER} that this check did not create.",
                f"{self.subject.administrator} can delete or rename it.",
            )
            return
        # What an earlier round left behind goes first.
        self.exists = user.is_done
        try:
            seen.extend(self._go())
        except errors.AwsError as error:
            seen.append(fail("round trip", f"It was interrupted: {error}", "Run this again."))
        finally:
            left = self._clean_up()
        yield from seen
        yield left

    def _go(self) -> Iterator[CheckResult]:
        self._remove_user()
        self.exists = None
        created = self.polling.ask(
            "iam:CreateUser",
            UserName=CHECK_USER,
            Path=self.subject.path,
            Tags=[{"Key": key, "Value": value} for key, value in CHECK_TAGS.items()],
            PermissionsBoundary=self.subject.boundary_arn,
        )
        # An attempt whose answer was lost is repeated, and then finds the user that it created.
        is_unsure = created.is_fault or created.code == "EntityAlreadyExists"
        self.exists = None if is_unsure else created.is_done
        if not created.is_done:
            yield warn("round trip", f"No user was created, so nothing more was tried: {created}")
            return
        # Without iam:TagUser, creating a user with tags is refused.
        self.polling.answers["iam:TagUser"] = [created]
        yield self._tags_are_shown()
        yield from self._new_key()
        # Where there is no policy of that name yet, NoSuchEntity says that it was allowed.
        self.polling.ask(
            "iam:AttachUserPolicy", UserName=CHECK_USER, PolicyArn=self.subject.login_policy_arn
        )
        if self.keys:
            yield self._user_with_a_key_is_not_deleted()
        yield from self._grant()
        self._remove_user()
        is_set = any(
            answer.is_done for answer in self.polling.answers.get("ecr:SetRepositoryPolicy", [])
        )
        if is_set and not self.exists:
            yield self._deleted_user_is_refused()

    # --- Facts ---------------------------------------------------------------------

    def _tags_are_shown(self) -> CheckResult:
        user = self.polling.ask("iam:GetUser", UserName=CHECK_USER)
        shown = user.is_done and _tags(user) == CHECK_TAGS
        return fact(5, f"GetUser immediately: {'with its tags' if shown else user}", shown)

    def _new_key(self) -> Iterator[CheckResult]:
        # IAM may not know the new user yet.
        answers, _ = self.polling.until(
            lambda: self.polling.ask("iam:CreateAccessKey", UserName=CHECK_USER),
            lambda answer: answer.code != "NoSuchEntity",
        )
        key = answers[-1]
        if not key.is_done:
            return
        key_id = key.content["AccessKey"]["AccessKeyId"]
        self.keys.append(key_id)
        holder = self.polling.probe.as_key(key_id, key.content["AccessKey"]["SecretAccessKey"])
        used, seconds = self.polling.until(lambda: holder.ask("sts:GetCallerIdentity"), _is_done)
        yield fact(
            "11 STS",
            f"STS with a new key, immediately: {used[0]}; finally: {used[-1]}, after "
            f"{seconds:.0f} s",
            used[0].code in {"", "InvalidClientTokenId"} and used[-1].is_done,
        )
        # Nothing is attached yet: a key that ECR knows is denied, and no token is issued.
        used, seconds = self.polling.until(
            lambda: holder.ask("ecr:GetAuthorizationToken"), lambda answer: answer.is_denied
        )
        yield fact(
            "11 ECR",
            f"ECR with a new key: {used[0].code or 'done'}; known after {seconds:.0f} s",
            used[0].code in {"AccessDeniedException", "UnrecognizedClientException"}
            and used[-1].is_denied,
        )
        deactivated = self.polling.ask(
            "iam:UpdateAccessKey", UserName=CHECK_USER, AccessKeyId=key_id, Status="Inactive"
        )
        if not deactivated.is_done:
            return
        used, seconds = self.polling.until(
            lambda: holder.ask("sts:GetCallerIdentity"), lambda answer: not answer.is_done
        )
        yield fact(
            12,
            f"A deactivated key worked for another {seconds:.0f} s; then: {used[-1]}",
            used[-1].code == "InvalidClientTokenId",
        )

    def _user_with_a_key_is_not_deleted(self) -> CheckResult:
        refused = self.polling.ask("iam:DeleteUser", UserName=CHECK_USER)
        self.exists = not refused.is_done
        return fact(
            19, f"DeleteUser while the user has a key: {refused}", refused.code == "DeleteConflict"
        )

    def _grant(self) -> Iterator[CheckResult]:
        """Add the user to the policy of a repository that has none, so that there is nothing to
        restore. The statement is the portal's own: if it were left behind, the repository's
        next turn would remove it."""
        name = self._repository_without_policy()
        if not name:
            yield warn(
                "round trip",
                "Each repository has a policy, so none was written.",
                f"{self.subject.administrator} can create an empty repository for the check; the "
                "portal's administrator can add it in the admin.",
            )
            return
        self.repository = name
        document = policies.repository_policy(
            None, [self.subject.check_user_arn], Owner(Installation.get().sid)
        )
        text = grammar.to_json(document or {})
        too_long = text + " " * (limits.REPOSITORY_POLICY_LIMIT + 1 - len(text))
        taken, seconds = self.polling.until(lambda: self._set_policy(text), _is_done)
        yield fact(
            3,
            f"A policy that names a user a few seconds old: {taken[0]}",
            taken[0].is_done or "Principal not found" in taken[0].message,
        )
        yield fact(4, f"The same, finally: {taken[-1]}, after {seconds:.0f} s", taken[-1].is_done)
        if not taken[-1].is_done:
            return
        read = self.polling.ask("ecr:GetRepositoryPolicy", repositoryName=name)
        shown = grammar.from_json(read.content["policyText"]) if read.is_done else None
        is_shown = grammar.same_meaning(shown, document)
        yield fact(16, f"Read immediately: {'as it was set' if is_shown else 'differs'}", is_shown)
        refused = self._set_policy(too_long)
        yield fact(
            7,
            f"A policy of {len(too_long):,} characters: {refused}",
            refused.code == "InvalidParameterException",
        )

    def _deleted_user_is_refused(self) -> CheckResult:
        def shows_the_id(answer: Answer) -> bool:
            return "AIDA" in answer.content.get("policyText", "")

        read, seconds = self.polling.until(
            lambda: self.polling.ask("ecr:GetRepositoryPolicy", repositoryName=self.repository),
            shows_the_id,
        )
        if not shows_the_id(read[-1]):
            words = f"A deleted user is not shown as AIDA… after {seconds:.0f} s: {read[-1]}"
            return fact(6, words, as_assumed=False)
        refused = self._set_policy(read[-1].content["policyText"])
        return fact(
            6,
            f"A deleted user is shown as AIDA… after {seconds:.0f} s; set again: {refused}",
            refused.code == "InvalidParameterException",
        )

    def _repository_without_policy(self) -> str:
        for name in self.subject.repositories:
            read = self.polling.ask("ecr:GetRepositoryPolicy", repositoryName=name)
            if read.code == "RepositoryPolicyNotFoundException":
                return name
        return ""

    def _set_policy(self, text: str) -> Answer:
        return self.polling.ask(
            "ecr:SetRepositoryPolicy", repositoryName=self.repository, policyText=text
        )

    # --- Cleaning up---------------------------------------------------------------

    def _clean_up(self) -> CheckResult:
        """Remove what was created, and say what could not be removed."""
        left = []
        removed = self._remove_user()
        if removed.code not in GONE:
            left.append(f"the user {CHECK_USER} ({removed})")
        if self.repository:
            removed = self.polling.retry_until_settled(
                "ecr:DeleteRepositoryPolicy", repositoryName=self.repository
            )
            if removed.code not in GONE:
                left.append(f"the policy of {self.repository} ({removed})")
        if not left:
            return ok("round trip, left behind", "Nothing was left behind.")
        return fail(
            "round trip, left behind",
            f"Left behind: {'; '.join(left)}.",
            f"{self.subject.administrator} can delete it.",
        )

    def _remove_user(self) -> Answer:
        """Keys, policies, then the user. Returns AWS's answer to the last call. A user that does
        not exist is left alone: a role limited to a path is denied where IAM finds nobody."""
        if self.exists is None:
            found, _ = self.polling.until(
                lambda: self.polling.ask("iam:GetUser", UserName=CHECK_USER), _is_done
            )
            self.exists = found[-1].is_done and _tags(found[-1]) == CHECK_TAGS
        if not self.exists:
            return Answer("DeleteUser")
        listed = self.polling.ask("iam:ListAccessKeys", UserName=CHECK_USER)
        metadata = listed.content.get("AccessKeyMetadata", [])
        # IAM may not list yet what was created a moment ago.
        for key_id in {*self.keys, *(key["AccessKeyId"] for key in metadata)}:
            self.polling.retry_until_settled(
                "iam:DeleteAccessKey", UserName=CHECK_USER, AccessKeyId=key_id
            )
        attached = self.polling.ask("iam:ListAttachedUserPolicies", UserName=CHECK_USER)
        arns = {policy["PolicyArn"] for policy in attached.content.get("AttachedPolicies", [])}
        for arn in arns | {self.subject.login_policy_arn}:
            self.polling.retry_until_settled(
                "iam:DetachUserPolicy", UserName=CHECK_USER, PolicyArn=arn
            )
        removed = self.polling.retry_until_settled("iam:DeleteUser", UserName=CHECK_USER)
        if removed.is_denied:
            # An attempt whose answer was lost is repeated, and then finds nobody under the path.
            user = self.polling.ask("iam:GetUser", UserName=CHECK_USER)
            removed = user if user.code == "NoSuchEntity" else removed
        self.exists = removed.code not in GONE
        return removed


def _is_done(answer: Answer) -> bool:
    return answer.is_done


def _tags(user: Answer) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in user.content["User"].get("Tags", [])}
