"""A throw-away user makes the round that customers' users make: born, given a key, let into
a repository's policy, and removed. Nothing stays behind, whatever happens on the way.

On that way is seen what the portal was built on without an AWS account: the facts of
docs/live-checks.md, by their numbers there. A fact that is otherwise is a warning, to be
written down; the portal may have to be told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from provisioning import placement, policies
from provisioning.aws import errors
from provisioning.aws.inspection import Answer
from provisioning.checkup.findings import (
    CHECK_TAGS,
    CHECK_USER,
    Finding,
    Subject,
    fact,
    fail,
    ok,
    warn,
)
from provisioning.checkup.inquiry import Inquiry

GONE = {"", "NoSuchEntity", "RepositoryPolicyNotFoundException"}


@dataclass
class RoundTrip:
    subject: Subject
    inquiry: Inquiry
    keys: list[str] = field(default_factory=list)
    # None while AWS has not answered whether it is.
    is_made: bool | None = False
    # The repository whose policy was set. It had none before.
    repository: str = ""

    def make(self) -> Iterator[Finding]:
        """Make the round, and tell what was seen."""
        seen: list[Finding] = []
        user = self.inquiry.ask("iam:GetUser", UserName=CHECK_USER)
        if not user.is_done:
            yield fact(
                20, f"GetUser of a user that is not there: {user}", user.code == "NoSuchEntity"
            )
        elif _tags(user) != CHECK_TAGS:
            yield fail(
                "round trip",
                f"The account has a user {CHECK_USER} that this check did not make.",
                f"{self.subject.administrator} can delete or rename it.",
            )
            return
        # What an earlier round left behind goes first.
        self.is_made = user.is_done
        try:
            seen.extend(self._go())
        except errors.AwsError as error:
            seen.append(fail("round trip", f"It was broken off: {error}", "Run this again."))
        finally:
            left = self._clean_up()
        yield from seen
        yield left

    def _bounded(self) -> dict[str, str]:
        arn = self.subject.boundary_arn
        return {"PermissionsBoundary": arn} if arn else {}

    def _go(self) -> Iterator[Finding]:
        self._remove_user()
        self.is_made = None
        made = self.inquiry.ask(
            "iam:CreateUser",
            UserName=CHECK_USER,
            Path=self.subject.path,
            Tags=[{"Key": key, "Value": value} for key, value in CHECK_TAGS.items()],
            **self._bounded(),
        )
        # A try whose answer was lost is repeated, and then finds the user that it made.
        is_unsure = made.is_fault or made.code == "EntityAlreadyExists"
        self.is_made = None if is_unsure else made.is_done
        if not made.is_done:
            yield warn("round trip", f"No user was made, so nothing more was tried: {made}")
            return
        # Who may not tag is refused a user that is born with tags.
        self.inquiry.answers["iam:TagUser"] = [made]
        yield self._tags_are_shown()
        yield from self._new_key()
        # Where there is no policy of that name yet, NoSuchEntity says that it was allowed.
        self.inquiry.ask(
            "iam:AttachUserPolicy", UserName=CHECK_USER, PolicyArn=self.subject.login_policy_arn
        )
        if self.keys:
            yield self._user_with_leftovers_stays()
        yield from self._grant()
        self._remove_user()
        is_set = any(
            answer.is_done for answer in self.inquiry.answers.get("ecr:SetRepositoryPolicy", [])
        )
        if is_set and not self.is_made:
            yield self._dead_user_is_not_taken_back()

    # --- Facts ---------------------------------------------------------------------

    def _tags_are_shown(self) -> Finding:
        user = self.inquiry.ask("iam:GetUser", UserName=CHECK_USER)
        shown = user.is_done and _tags(user) == CHECK_TAGS
        return fact(5, f"GetUser at once: {'with its tags' if shown else user}", shown)

    def _new_key(self) -> Iterator[Finding]:
        # IAM may not know yet whom it has just made.
        answers, _ = self.inquiry.until(
            lambda: self.inquiry.ask("iam:CreateAccessKey", UserName=CHECK_USER),
            lambda answer: answer.code != "NoSuchEntity",
        )
        key = answers[-1]
        if not key.is_done:
            return
        key_id = key.content["AccessKey"]["AccessKeyId"]
        self.keys.append(key_id)
        holder = self.inquiry.inspection.as_key(key_id, key.content["AccessKey"]["SecretAccessKey"])
        used, seconds = self.inquiry.until(lambda: holder.ask("sts:GetCallerIdentity"), _is_done)
        yield fact(
            "11 STS",
            f"STS to a new key at once: {used[0]}; at last: {used[-1]}, after {seconds:.0f} s",
            used[0].code in {"", "InvalidClientTokenId"} and used[-1].is_done,
        )
        # Nothing is attached yet: a key that ECR knows is denied, and no token is made.
        used, seconds = self.inquiry.until(
            lambda: holder.ask("ecr:GetAuthorizationToken"), lambda answer: answer.is_denied
        )
        yield fact(
            "11 ECR",
            f"ECR to a new key: {used[0].code or 'done'}; known after {seconds:.0f} s",
            used[0].code in {"AccessDeniedException", "UnrecognizedClientException"}
            and used[-1].is_denied,
        )
        deactivated = self.inquiry.ask(
            "iam:UpdateAccessKey", UserName=CHECK_USER, AccessKeyId=key_id, Status="Inactive"
        )
        if not deactivated.is_done:
            return
        used, seconds = self.inquiry.until(
            lambda: holder.ask("sts:GetCallerIdentity"), lambda answer: not answer.is_done
        )
        yield fact(
            12,
            f"A deactivated key worked for {seconds:.0f} s more; then: {used[-1]}",
            used[-1].code == "InvalidClientTokenId",
        )

    def _user_with_leftovers_stays(self) -> Finding:
        refused = self.inquiry.ask("iam:DeleteUser", UserName=CHECK_USER)
        self.is_made = not refused.is_done
        return fact(19, f"DeleteUser with a key left: {refused}", refused.code == "DeleteConflict")

    def _grant(self) -> Iterator[Finding]:
        """Let the user into the policy of a repository that has none, so that there is
        nothing to be put back. The statement is the portal's own: were it to stay behind,
        the repository's next turn would take it out."""
        name = self._repository_without_policy()
        if not name:
            yield warn(
                "round trip",
                "Each repository has a policy, so none was written.",
                f"{self.subject.administrator} can create an empty repository to try with; the "
                "portal's administrator can add it in the admin.",
            )
            return
        self.repository = name
        document = policies.repository_policy(None, [self.subject.check_user_arn])
        text = policies.to_json(document or {})
        too_long = text + " " * (placement.REPOSITORY_POLICY_LIMIT + 1 - len(text))
        taken, seconds = self.inquiry.until(lambda: self._set_policy(text), _is_done)
        yield fact(
            3,
            f"A policy that names a user some seconds old: {taken[0]}",
            taken[0].is_done or "Principal not found" in taken[0].message,
        )
        yield fact(4, f"The same at last: {taken[-1]}, after {seconds:.0f} s", taken[-1].is_done)
        if not taken[-1].is_done:
            return
        read = self.inquiry.ask("ecr:GetRepositoryPolicy", repositoryName=name)
        shown = policies.from_json(read.content["policyText"]) if read.is_done else None
        is_shown = policies.same_meaning(shown, document)
        yield fact(16, f"Read at once: {'as it was set' if is_shown else 'otherwise'}", is_shown)
        refused = self._set_policy(too_long)
        yield fact(
            7,
            f"A policy of {len(too_long):,} characters: {refused}",
            refused.code == "InvalidParameterException",
        )

    def _dead_user_is_not_taken_back(self) -> Finding:
        def shows_the_dead(answer: Answer) -> bool:
            return "AIDA" in answer.content.get("policyText", "")

        read, seconds = self.inquiry.until(
            lambda: self.inquiry.ask("ecr:GetRepositoryPolicy", repositoryName=self.repository),
            shows_the_dead,
        )
        if not shows_the_dead(read[-1]):
            words = f"A deleted user does not stand as AIDA… after {seconds:.0f} s: {read[-1]}"
            return fact(6, words, as_assumed=False)
        refused = self._set_policy(read[-1].content["policyText"])
        return fact(
            6,
            f"A deleted user stands as AIDA… after {seconds:.0f} s, and sent back: {refused}",
            refused.code == "InvalidParameterException",
        )

    def _repository_without_policy(self) -> str:
        for name in self.subject.repositories:
            read = self.inquiry.ask("ecr:GetRepositoryPolicy", repositoryName=name)
            if read.code == "RepositoryPolicyNotFoundException":
                return name
        return ""

    def _set_policy(self, text: str) -> Answer:
        return self.inquiry.ask(
            "ecr:SetRepositoryPolicy", repositoryName=self.repository, policyText=text
        )

    # --- Leaving -------------------------------------------------------------------

    def _clean_up(self) -> Finding:
        """Take away what was made, and tell what could not be."""
        left = []
        removed = self._remove_user()
        if removed.code not in GONE:
            left.append(f"the user {CHECK_USER} ({removed})")
        if self.repository:
            removed = self.inquiry.insist(
                "ecr:DeleteRepositoryPolicy", repositoryName=self.repository
            )
            if removed.code not in GONE:
                left.append(f"the policy of {self.repository} ({removed})")
        if not left:
            return ok("round trip, left behind", "Nothing of it was left behind.")
        return fail(
            "round trip, left behind",
            f"Left behind: {'; '.join(left)}.",
            f"{self.subject.administrator} can delete it.",
        )

    def _remove_user(self) -> Answer:
        """Keys, policies, then the user. Returns AWS's answer to the last. One that is not
        there is left alone: who is held to a path is denied where IAM finds nobody under it."""
        if self.is_made is None:
            found, _ = self.inquiry.until(
                lambda: self.inquiry.ask("iam:GetUser", UserName=CHECK_USER), _is_done
            )
            self.is_made = found[-1].is_done and _tags(found[-1]) == CHECK_TAGS
        if not self.is_made:
            return Answer("DeleteUser")
        listed = self.inquiry.ask("iam:ListAccessKeys", UserName=CHECK_USER)
        metadata = listed.content.get("AccessKeyMetadata", [])
        # IAM may not list yet what was made a moment ago.
        for key_id in {*self.keys, *(key["AccessKeyId"] for key in metadata)}:
            self.inquiry.insist("iam:DeleteAccessKey", UserName=CHECK_USER, AccessKeyId=key_id)
        attached = self.inquiry.ask("iam:ListAttachedUserPolicies", UserName=CHECK_USER)
        arns = {policy["PolicyArn"] for policy in attached.content.get("AttachedPolicies", [])}
        for arn in arns | {self.subject.login_policy_arn}:
            self.inquiry.insist("iam:DetachUserPolicy", UserName=CHECK_USER, PolicyArn=arn)
        removed = self.inquiry.insist("iam:DeleteUser", UserName=CHECK_USER)
        if removed.is_denied:
            # A try whose answer was lost is repeated, and then finds nobody under the path.
            user = self.inquiry.ask("iam:GetUser", UserName=CHECK_USER)
            removed = user if user.code == "NoSuchEntity" else removed
        self.is_made = removed.code not in GONE
        return removed


def _is_done(answer: Answer) -> bool:
    return answer.is_done


def _tags(user: Answer) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in user.content["User"].get("Tags", [])}
