"""The checks of a registry, in the order in which they make sense."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from provisioning.aws import errors
from provisioning.aws.probe import Answer, Probe
from provisioning.checkup import permissions
from provisioning.checkup.polling import Polling
from provisioning.checkup.results import CheckResult, CheckStatus, Subject, fail, ok, warn
from provisioning.checkup.round_trip import RoundTrip
from provisioning.documents import grammar, limits, pulling, role
from provisioning.documents.grammar import Document
from provisioning.documents.policies import PULL_ACTIONS

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
SET_CLOCK = "The operator of this machine can set its clock with NTP."


@dataclass(frozen=True)
class Context:
    """What the checks work with. ``who``: AWS's answer to who the portal is there."""

    subject: Subject
    probe: Probe
    who: Answer
    tried: dict[str, list[Answer]] = field(default_factory=dict)

    @property
    def principal_arn(self) -> str:
        return self.subject.role_arn or permissions.principal_of(self.who.content["Arn"])


def check(
    subject: Subject, connect: Callable[[], Probe], *, patience: timedelta | None = None
) -> Iterator[CheckResult]:
    """Every check of a registry. ``patience`` lets them write as well: a temporary user
    goes through a customer's life, and AWS has that long to make each change visible.

    Where the portal's identity is wrong, nothing more is checked.
    """
    try:
        probe = connect()
        yield region(subject, probe)
        yield boundary(subject)
        context = Context(subject, probe, probe.ask("sts:GetCallerIdentity"))
        yield clock(context)
        who_it_is = identity(context)
        yield who_it_is
        if who_it_is.status is CheckStatus.FAIL:
            return
        if patience is not None:
            yield from round_trip(context, patience)
        for each in CHECKS:
            yield from each(context)
    except errors.Unreachable as error:
        yield fail(
            "reach",
            str(error),
            "The operator of this machine can allow connections to AWS; the portal's administrator "
            "can correct the region and the endpoint address of the registry.",
        )
    except errors.AwsError as error:
        yield fail("identity", str(error), OPERATOR)


def region(subject: Subject, probe: Probe) -> CheckResult:
    if subject.region in probe.regions:
        return ok("region", f"{subject.region} has ECR.")
    return fail(
        "region",
        f"{subject.region} is not a known ECR region of the aws partition.",
        "The portal's administrator can correct it in the admin; for a region that is new, the "
        "portal's operator can upgrade the portal, which brings a newer botocore.",
    )


def boundary(subject: Subject) -> CheckResult:
    if subject.boundary_arn:
        return ok("boundary", f"Pull users are limited by {subject.boundary_arn}.")
    return fail(
        "boundary",
        "The registry names no permissions boundary, so no pull user is created.",
        f"{subject.administrator} can create it (docs/aws-role.md, section 2), and the portal's "
        "administrator can enter its ARN in the registry's form.",
    )


def clock(context: Context) -> CheckResult:
    off = context.who.clock_off
    if off is None:
        return warn("clock", "AWS's response had no date.")
    seconds = round(abs(off).total_seconds())
    distance = f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
    words = (
        f"This machine's clock is {distance} {'behind' if off > timedelta() else 'ahead of'} AWS's."
    )
    if abs(off) > CLOCK_FAIL:
        return fail("clock", f"{words} AWS refuses a signature at 5 min.", SET_CLOCK)
    if abs(off) > CLOCK_WARN:
        return warn("clock", f"{words} AWS refuses a signature at 5 min.", SET_CLOCK)
    return ok("clock", words if seconds else "This machine's clock agrees with AWS's.")


def identity(context: Context) -> CheckResult:
    subject, who = context.subject, context.who
    if who.is_done:
        arn, account_id = who.content["Arn"], who.content["Account"]
        if account_id == subject.account_id:
            return ok("identity", f"The portal is {arn}.")
        return fail(
            "identity",
            f"The portal is {arn}, of account {account_id}; the registry is of account "
            f"{subject.account_id}. Nothing more was checked.",
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
            f"{subject.administrator} can create the role and trust the portal's own identity, "
            "whose policy must allow sts:AssumeRole; the portal's administrator can correct "
            "the registry's role ARN and external id (docs/aws-role.md).",
        )
    return fail("identity", str(who), OPERATOR)


def round_trip(context: Context, patience: timedelta) -> Iterator[CheckResult]:
    """Not started where what it creates could not be removed."""
    in_the_way = permissions.denied(context.subject, context.probe, context.principal_arn, REMOVAL)
    if in_the_way:
        yield warn(
            "round trip",
            f"Not started, because what it creates could not be removed: "
            f"{', '.join(in_the_way)} denied.",
        )
        return
    polling = Polling(context.probe, patience)
    yield from RoundTrip(context.subject, polling).run()
    context.tried.update(polling.answers)


def allowed(context: Context) -> Iterator[CheckResult]:
    yield from permissions.check(
        context.subject, context.probe, context.principal_arn, context.tried
    )


def quotas(context: Context) -> Iterator[CheckResult]:
    answer = context.probe.ask("iam:GetAccountSummary")
    if not answer.is_done:
        yield warn("quota", f"The number of users is not known: {answer}")
        return
    summary = answer.content["SummaryMap"]
    users, most = summary["Users"], summary["UsersQuota"]
    words = f"The account has {users:,} of {most:,} IAM users."
    remedy = (
        f"{context.subject.administrator} can delete users that nobody needs; the vendor can move "
        "a registry to an account of its own. AWS does not raise this quota."
    )
    if users >= most:
        yield fail("quota", words, remedy)
    elif users >= NEARLY_FULL * most:
        yield warn("quota", words, remedy)
    else:
        yield ok("quota", words)


def repositories(context: Context) -> Iterator[CheckResult]:
    if not context.subject.repositories:
        yield warn(
            "repository",
            "The registry has no repository in the portal.",
            "The portal's administrator can add those that are sold.",
        )
    for name in context.subject.repositories:
        yield from _repository(context, name)


def _repository(context: Context, name: str) -> Iterator[CheckResult]:
    check_name = f"repository {name}"
    found = context.probe.ask("ecr:DescribeRepositories", repositoryNames=[name])
    if found.code == "RepositoryNotFoundException":
        yield fail(
            check_name,
            f"It does not exist in {context.subject.region} of account "
            f"{context.subject.account_id}.",
            f"{context.subject.administrator} can create it in ECR; the portal's administrator can "
            "correct its name.",
        )
        return
    answer = context.probe.ask("ecr:GetRepositoryPolicy", repositoryName=name)
    if answer.code == "RepositoryPolicyNotFoundException":
        yield ok(check_name, "It exists, and has no policy yet.")
        return
    if not (found.is_done and answer.is_done):
        refusal = answer if found.is_done else found
        yield fail(
            check_name,
            f"It could not be read: {refusal}",
            f"{context.subject.administrator} can let the role read it (docs/aws-role.md).",
        )
        return
    try:
        document = grammar.from_json(answer.content["policyText"])
    except grammar.MalformedPolicy as error:
        yield fail(
            check_name,
            f"It exists. {error}",
            f"{context.subject.administrator} can repair or delete its policy; the portal does "
            "not change a policy that it cannot read.",
        )
        return
    yield _room(context.subject, check_name, document)
    yield from _denials(context, check_name, document)


def registry_policy(context: Context) -> Iterator[CheckResult]:
    """What the registry's own policy denies to the portal or its customers. That it can be read is
    among the permissions."""
    answer = context.probe.ask("ecr:GetRegistryPolicy")
    if answer.is_done:
        document = grammar.from_json(answer.content["policyText"])
        yield from _denials(context, "registry policy", document)


def _room(subject: Subject, check_name: str, document: Document) -> CheckResult:
    used, most = limits.policy_length(document), limits.REPOSITORY_POLICY_LIMIT
    words = f"It exists. Its policy has {used:,} of {most:,} characters."
    if used < NEARLY_FULL * most:
        return ok(check_name, words)
    return warn(
        check_name, words, f"{subject.administrator} can remove statements that nobody needs."
    )


def _denials(context: Context, check_name: str, document: Document) -> Iterator[CheckResult]:
    """What the policy denies to the portal, or to any of its pull users: no permission helps
    against an explicit Deny."""
    subject = context.subject
    remedy = f"{subject.administrator} can remove it, or narrow it"
    for number, denial in enumerate(pulling.denied(document, PULL_ACTIONS), 1):
        named = [each for each in denial.principals if each.startswith(subject.pull_user_arns)]
        if named or denial.is_for_pull_user(subject.check_user_arn):
            whom = ", ".join(named) or "every customer"
            yield warn(
                f"{check_name}, denial {number} of pulling",
                f"It denies pulling to {whom} ({denial}).",
                f"{remedy}, where it keeps customers' machines out that should pull.",
            )
    for number, denial in enumerate(pulling.denied(document, role.REPOSITORIES), 1):
        if denial.is_for(context.principal_arn):
            yield warn(
                f"{check_name}, denial {number} of the portal",
                f"It denies the portal what its role allows ({denial}).",
                f"{remedy}, so that it spares {context.principal_arn}.",
            )


CHECKS: tuple[Callable[[Context], Iterator[CheckResult]], ...] = (
    allowed,
    quotas,
    registry_policy,
    repositories,
)
