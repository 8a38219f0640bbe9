"""What is checked, and the results of checks."""

from dataclasses import dataclass
from enum import StrEnum

from provisioning.documents import names, role
from provisioning.documents.grammar import Document

# The temporary user's name, and a name to ask for where only the answer counts.
CHECK_USER = "ecr-portal-check"
CHECK_TAGS = {"managed-by": CHECK_USER}


class CheckStatus(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class CheckResult:
    """``remedy`` says what to do and who can do it; it is empty where nothing is to be done."""

    check: str
    status: CheckStatus
    words: str
    remedy: str = ""


@dataclass(frozen=True)
class Subject:
    """The registry that is checked, as the portal's database and settings have it."""

    account_id: str
    region: str
    role_arn: str
    repositories: tuple[str, ...]
    path: str
    login_policy_name: str
    boundary_arn: str

    @property
    def role_policy(self) -> Document:
        role_name = self.role_arn.partition(":role/")[2] or "ecr-portal"
        return role.portal_role_policy(
            self.account_id,
            self.path,
            self.login_policy_name,
            self.boundary_arn,
            role_name=role_name,
        )

    @property
    def login_policy_arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:policy{self.path}{self.login_policy_name}"

    @property
    def pull_user_arns(self) -> str:
        """What the ARNs of pull users begin with."""
        return names.user_arn(self.account_id, self.path, "")

    @property
    def check_user_arn(self) -> str:
        return names.user_arn(self.account_id, self.path, CHECK_USER)

    @property
    def administrator(self) -> str:
        """Who can solve problems in the account."""
        return f"The administrator of AWS account {self.account_id}"


def ok(check: str, words: str) -> CheckResult:
    return CheckResult(check, CheckStatus.OK, words)


def warn(check: str, words: str, remedy: str = "") -> CheckResult:
    return CheckResult(check, CheckStatus.WARN, words, remedy)


def fail(check: str, words: str, remedy: str) -> CheckResult:
    return CheckResult(check, CheckStatus.FAIL, words, remedy)


def fact(number: int | str, words: str, as_assumed: bool) -> CheckResult:  # noqa: FBT001 - a result
    """A fact by its number in docs/live-checks.md, and whether it is as assumed there."""
    if as_assumed:
        return ok(f"fact {number}", words)
    return warn(
        f"fact {number}",
        f"Not as assumed. {words}",
        "Record it in docs/live-checks.md, and report it to the portal's developers.",
    )
