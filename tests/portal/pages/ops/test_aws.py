"""What ops see of AWS: drift, who can pull, capacity and paused registries."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent
from provisioning.aws import rate_limit
from provisioning.demo.seed import Cast
from provisioning.documents import policies, pulling
from provisioning.documents.policies import Owner
from provisioning.models import AccessKey, Drift, PullUser, Registry, Repository
from provisioning.models.drift import DriftKind
from tests.entitlements import approved
from tests.portal.pages.pages import just_signed_in, words
from tests.provisioned import provision
from tests.services import redis


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    approved(cast)
    return provision(cast.birch)


@pytest.fixture
def otto(cast: Cast) -> Client:
    return just_signed_in(cast.otto)


def drift_of(pull_user: PullUser, kind: DriftKind, subject: str = "") -> Drift:
    return Drift.objects.create(kind=kind, subject=subject, pull_user=pull_user)


def test_dashboard_counts_drift_and_links_to_it(otto: Client, pull_user: PullUser) -> None:
    assert "No drift" in words(otto.get("/ops/"))
    drift_of(pull_user, DriftKind.KEY_STATUS, "AKIA1")
    assert "Drift: 1" in words(otto.get("/ops/"))
    assert "Access key deactivated in IAM" in words(otto.get("/ops/drift/"))


def test_key_deactivated_in_iam_can_be_left_deactivated(otto: Client, pull_user: PullUser) -> None:
    key = pull_user.access_keys.get()
    drift = drift_of(pull_user, DriftKind.KEY_STATUS, key.access_key_id)
    page = f"/ops/drift/{drift.pk}/"
    assert key.access_key_id in words(otto.get(page))
    otto.post(page, {"choice": "adopt", "reason": "It leaked"})
    key.refresh_from_db()
    assert key.desired == "Inactive"
    assert AuditEvent.objects.get(action="chose").reason == "It leaked"
    assert PullUser.objects.get().due_at is not None


def test_chosen_repair_is_made_on_the_next_turn(otto: Client, pull_user: PullUser) -> None:
    key = pull_user.access_keys.get()
    drift = drift_of(pull_user, DriftKind.KEY_STATUS, key.access_key_id)
    otto.post(f"/ops/drift/{drift.pk}/", {"choice": "repair", "reason": "A mistake"})
    drift.refresh_from_db()
    assert drift.choice == "repair"
    assert AccessKey.objects.get().desired == "Active"


@pytest.mark.parametrize(
    ("kind", "choice"),
    [(DriftKind.USER_MISSING, "adopt"), (DriftKind.FOREIGN_POLICY, "repair")],
)
def test_impossible_choice_is_neither_offered_nor_accepted(
    otto: Client, pull_user: PullUser, kind: DriftKind, choice: str
) -> None:
    drift = drift_of(pull_user, kind)
    page = f"/ops/drift/{drift.pk}/"
    assert f'value="{choice}"' not in otto.get(page).content.decode()
    otto.post(page, {"choice": choice, "reason": "Any"})
    drift.refresh_from_db()
    assert drift.choice == ""


def test_page_shows_who_could_pull_when_aws_was_last_read(
    otto: Client, pull_user: PullUser
) -> None:
    repository = Repository.objects.get(name="acme/server")
    page = f"/ops/repositories/{repository.pk}/who-can-pull/"
    unread = words(otto.get(page))
    assert "Not read from AWS yet" in unread
    assert "Nobody" not in unread
    ours = policies.pull_statement([pull_user.arn], Owner("EcrPortalA"))
    partner = ours | {"Sid": "Partner", "Principal": {"AWS": "arn:aws:iam::1:root"}}
    guard = ours | {"Sid": "Vpce", "Effect": "Deny", "Principal": "*"}
    guard["Condition"] = {"StringNotEquals": {"aws:SourceVpce": "vpce-0123"}}
    policy = {"Statement": [ours, partner, guard]}
    Repository.objects.update(
        pullers=pulling.pullers(policy),
        denials=pulling.denials(policy),
        observed_at=timezone.now(),
    )
    shown = words(otto.get(page))
    assert "The registry's own policy was not read" in shown
    Registry.objects.update(policy={})
    assert "The registry's own policy is considered." in words(otto.get(page))
    guarded = "denied by statement Vpce, depending on aws:SourceVpce."
    assert f"{pull_user.arn} by the repository's policy; {guarded}" in shown
    assert "arn:aws:iam::1:root depends on conditions, by statement Partner; denied by" in shown
    assert "anyone by statement Vpce, depending on aws:SourceVpce." in shown


def test_page_says_that_a_pull_user_is_denied_although_a_statement_spares_it(
    otto: Client, pull_user: PullUser
) -> None:
    spared = ["arn:aws:iam::123456789012:root", pull_user.arn]
    only = {"Sid": "Only", "Effect": "Deny", "NotPrincipal": {"AWS": spared}, "Action": "ecr:*"}
    ours = policies.pull_statement([pull_user.arn], Owner("EcrPortalA"))
    policy = {"Statement": [ours, only]}
    for found in (policy, {"Statement": [only]}):
        Repository.objects.update(
            pullers=pulling.pullers(found),
            denials=pulling.denials(found),
            observed_at=timezone.now(),
        )
        pull_user.grants.update(in_user_policy=found is not policy)
        repository = Repository.objects.get(name="acme/server")
        shown = words(otto.get(f"/ops/repositories/{repository.pk}/who-can-pull/"))
        assert "policy; denied by statement Only." in shown


def test_capacity_page_shows_how_often_aws_is_called(otto: Client, settings: Settings) -> None:
    settings.AWS_RATES = {"iam": 10}
    with redis() as address:
        settings.RATE_LIMIT_URL = address
        rate_limit.reset()
        rate_limit.wait("123456789012:iam", 10)
        shown = words(otto.get("/ops/capacity/"))
        assert "123456789012:iam 10 a second Not lately" in shown
        rate_limit.slow_down("123456789012:iam", 10)
        assert "123456789012:iam 5 a second" in words(otto.get("/ops/capacity/"))
    rate_limit.reset()
    assert "Redis does not answer" in words(otto.get("/ops/capacity/"))
    rate_limit.reset()


def test_capacity_page_shows_the_meters(otto: Client, pull_user: PullUser) -> None:
    Repository.objects.filter(name="acme/server").update(policy_length=9_000)
    shown = words(otto.get("/ops/capacity/"))
    assert "Policy of acme/server 9,000 of 10,240" in shown
    assert "IAM users of account 123456789012" in shown


def test_paused_registry_is_shown_and_ops_can_resume_it(otto: Client, pull_user: PullUser) -> None:
    Registry.objects.update(paused_at=timezone.now(), paused_because="The role is refused.")
    assert "The role is refused." in words(otto.get("/ops/"))
    otto.post(f"/ops/registries/{Registry.objects.get().pk}/retry/")
    assert Registry.objects.get().paused_at is None
    assert AuditEvent.objects.get(action="retried").subject == "registry Frankfurt"


def test_ops_deactivate_a_key_with_a_reason(otto: Client, pull_user: PullUser) -> None:
    key = pull_user.access_keys.get()
    page = f"/ops/keys/{key.pk}/switch/"
    otto.post(page, {"reason": ""})
    assert AccessKey.objects.get().desired == "Active"
    otto.post(page, {"reason": "Leaked"})
    assert AccessKey.objects.get().desired == "Inactive"
    assert AuditEvent.objects.get(action="deactivated").reason == "Leaked"
