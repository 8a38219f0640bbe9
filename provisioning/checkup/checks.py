"""The checks of a registry, in the order in which they make sense."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from provisioning import placement, policies
from provisioning.aws import errors
from provisioning.aws.inspection import Answer, Inspection
from provisioning.checkup import permissions
from provisioning.checkup.findings import Finding, Outcome, Subject, fail, ok, warn
from provisioning.checkup.inquiry import Inquiry
from provisioning.checkup.round_trip import RoundTrip

# AWS refuses a signature that is five minutes off.
CLOCK_WARN, CLOCK_FAIL = timedelta(minutes=1), timedelta(minutes=4)
NEARLY_FULL = 0.8
SIGNATURE = {"SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired"}
UNKNOWN_KEY = {"InvalidClientTokenId", "UnrecognizedClientException"}
REMOVAL = {
    "ecr:DeleteRepositoryPolicy",
    "iam:DeleteAccessKey",
    "iam:DeleteUser",
    "iam:DetachUserPolicy",
}
OPERATOR = "The portal's operator can give it an identity that AWS knows (docs/aws-role.md)."
SET_CLOCK = "Whoever runs this machine can have its clock set by NTP."


@dataclass(frozen=True)
class Look:
    """What the checks look at. ``who``: AWS's answer to who the portal is there."""

    subject: Subject
    inspection: Inspection
    who: Answer
    tried: dict[str, list[Answer]] = field(default_factory=dict)

    @property
    def principal_arn(self) -> str:
        return self.subject.role_arn or permissions.principal_of(self.who.content["Arn"])


def check(
    subject: Subject, connect: Callable[[], Inspection], *, patience: timedelta | None = None
) -> Iterator[Finding]:
    """Every check of a registry. ``patience`` lets them write, too: a throw-away user makes
    the round, and AWS has that long to come to know each thing of it.

    Where the portal is not who it should be, nothing more is asked.
    """
    try:
        inspection = connect()
        yield region(subject, inspection)
        look = Look(subject, inspection, inspection.ask("sts:GetCallerIdentity"))
        yield clock(look)
        is_itself = identity(look)
        yield is_itself
        if is_itself.outcome is Outcome.FAIL:
            return
        if patience is not None:
            yield from round_trip(look, patience)
        for each in CHECKS:
            yield from each(look)
    except errors.Unreachable as error:
        yield fail(
            "reach",
            str(error),
            "Whoever runs this machine can open its way to AWS; the portal's administrator can "
            "correct the region and the endpoint address of the registry.",
        )
    except errors.AwsError as error:
        yield fail("identity", str(error), OPERATOR)


def region(subject: Subject, inspection: Inspection) -> Finding:
    if subject.region in inspection.regions:
        return ok("region", f"{subject.region} has ECR.")
    return fail(
        "region",
        f"{subject.region} is no region of the aws partition in which ECR is known to be.",
        "The portal's administrator can correct it in the admin; for a region that is new, the "
        "portal's operator can upgrade the portal, which brings a newer botocore.",
    )


def clock(look: Look) -> Finding:
    off = look.who.clock_off
    if off is None:
        return warn("clock", "AWS's answer told no time of day.")
    seconds = round(abs(off).total_seconds())
    told = f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
    words = f"This machine's clock is {told} {'behind' if off > timedelta() else 'before'} AWS's."
    if abs(off) > CLOCK_FAIL:
        return fail("clock", f"{words} AWS refuses a signature at 5 min.", SET_CLOCK)
    if abs(off) > CLOCK_WARN:
        return warn("clock", f"{words} AWS refuses a signature at 5 min.", SET_CLOCK)
    return ok("clock", words if seconds else "This machine's clock agrees with AWS's.")


def identity(look: Look) -> Finding:
    subject, who = look.subject, look.who
    if who.is_done:
        arn, account_id = who.content["Arn"], who.content["Account"]
        if account_id == subject.account_id:
            return ok("identity", f"The portal is {arn}.")
        return fail(
            "identity",
            f"The portal is {arn}, of account {account_id}; the registry is of account "
            f"{subject.account_id}. Nothing more was asked.",
            "The portal's administrator can correct the registry's account id, or name a role of "
            "that account.",
        )
    if who.code in SIGNATURE:
        if who.clock_off is not None and abs(who.clock_off) > CLOCK_FAIL:
            return fail("identity", f"AWS refuses the signature for its time: {who}", SET_CLOCK)
        return fail("identity", f"The portal's own secret access key is wrong: {who}", OPERATOR)
    if who.code in UNKNOWN_KEY:
        return fail("identity", f"AWS does not know the portal's own access key: {who}", OPERATOR)
    if who.operation == "AssumeRole":
        return fail(
            "identity",
            f"The portal may not assume {subject.role_arn}: {who}",
            f"{subject.administrator} can make the role and let the portal's own identity assume "
            "it, whose own policy must allow it as well; the portal's administrator can correct "
            "the registry's role ARN and external id (docs/aws-role.md).",
        )
    return fail("identity", str(who), OPERATOR)


def round_trip(look: Look, patience: timedelta) -> Iterator[Finding]:
    """Not begun where it is known that what it makes could not be removed."""
    in_the_way = permissions.denied(look.subject, look.inspection, look.principal_arn, REMOVAL)
    if in_the_way:
        yield warn(
            "round trip",
            f"Not made, as what it makes could not be removed: {', '.join(in_the_way)} denied.",
        )
        return
    inquiry = Inquiry(look.inspection, patience)
    yield from RoundTrip(look.subject, inquiry).make()
    look.tried.update(inquiry.answers)


def allowed(look: Look) -> Iterator[Finding]:
    yield from permissions.check(look.subject, look.inspection, look.principal_arn, look.tried)


def quotas(look: Look) -> Iterator[Finding]:
    answer = look.inspection.ask("iam:GetAccountSummary")
    if not answer.is_done:
        yield warn("quota", f"How many users there are is not known: {answer}")
        return
    summary = answer.content["SummaryMap"]
    users, most = summary["Users"], summary["UsersQuota"]
    words = f"The account has {users:,} of {most:,} IAM users."
    remedy = (
        f"{look.subject.administrator} can delete users that nobody needs; the vendor can put a "
        "registry into an account of its own. AWS does not raise this quota."
    )
    if users >= most:
        yield fail("quota", words, remedy)
    elif users >= NEARLY_FULL * most:
        yield warn("quota", words, remedy)
    else:
        yield ok("quota", words)


def repositories(look: Look) -> Iterator[Finding]:
    if not look.subject.repositories:
        yield warn(
            "repository",
            "The registry has no repository in the portal.",
            "The portal's administrator can add those that are sold.",
        )
    for name in look.subject.repositories:
        yield _repository(look, name)


def _repository(look: Look, name: str) -> Finding:
    check_name = f"repository {name}"
    found = look.inspection.ask("ecr:DescribeRepositories", repositoryNames=[name])
    if found.code == "RepositoryNotFoundException":
        return fail(
            check_name,
            f"It does not exist in {look.subject.region} of account {look.subject.account_id}.",
            f"{look.subject.administrator} can create it in ECR; the portal's administrator can "
            "correct its name.",
        )
    answer = look.inspection.ask("ecr:GetRepositoryPolicy", repositoryName=name)
    if answer.code == "RepositoryPolicyNotFoundException":
        return ok(check_name, "It exists, and has no policy yet.")
    if not (found.is_done and answer.is_done):
        refusal = answer if found.is_done else found
        return fail(
            check_name,
            f"It could not be read: {refusal}",
            f"{look.subject.administrator} can let the role read it (docs/aws-role.md).",
        )
    try:
        document = policies.from_json(answer.content["policyText"])
    except policies.MalformedPolicy as error:
        return fail(
            check_name,
            f"It exists. {error}",
            f"{look.subject.administrator} can mend or delete its policy; the portal changes "
            "none that it cannot read.",
        )
    used, most = placement.policy_length(document), placement.REPOSITORY_POLICY_LIMIT
    words = f"It exists. Its policy has {used:,} of {most:,} characters."
    if used < NEARLY_FULL * most:
        return ok(check_name, words)
    return warn(
        check_name,
        words,
        f"{look.subject.administrator} can take out statements that nobody needs.",
    )


CHECKS: tuple[Callable[[Look], Iterator[Finding]], ...] = (allowed, quotas, repositories)
