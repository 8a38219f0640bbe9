"""What ops see of AWS, and what they decide about it."""

import pytest
from django.test import Client

from accounts.models import AuditEvent
from provisioning.demo.cast import Cast
from provisioning.models import AccessKey, Finding, PullUser, Registry, Repository
from tests.portal.pages.reading import as_user, words
from tests.provisioned import approved, provision


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    approved(cast)
    return provision(cast.birch)


@pytest.fixture
def otto(cast: Cast) -> Client:
    return as_user(cast.otto)


def find(pull_user: PullUser, kind: Finding.Kind, subject: str = "") -> Finding:
    return Finding.objects.create(
        kind=kind, subject=subject, row=pull_user.row_name, pull_user=pull_user
    )


def test_dashboard_counts_findings_and_leads_to_them(otto: Client, pull_user: PullUser) -> None:
    assert "No findings" in words(otto.get("/ops/"))
    find(pull_user, Finding.Kind.KEY_STATUS, "AKIA1")
    assert "Findings: 1" in words(otto.get("/ops/"))
    assert "Access key switched on or off in IAM" in words(otto.get("/ops/findings/"))


def test_key_switched_off_in_the_console_can_be_left_so(otto: Client, pull_user: PullUser) -> None:
    key = pull_user.access_keys.get()
    finding = find(pull_user, Finding.Kind.KEY_STATUS, key.access_key_id)
    page = f"/ops/findings/{finding.pk}/"
    assert key.access_key_id in words(otto.get(page))
    otto.post(page, {"choice": "adopt", "reason": "It leaked"})
    key.refresh_from_db()
    assert (key.wanted, key.status) == ("Inactive", "Inactive")
    assert AuditEvent.objects.get(deed="chose").reason == "It leaked"
    assert PullUser.objects.get().due_at is not None


def test_repair_is_left_to_the_next_turn(otto: Client, pull_user: PullUser) -> None:
    key = pull_user.access_keys.get()
    finding = find(pull_user, Finding.Kind.KEY_STATUS, key.access_key_id)
    otto.post(f"/ops/findings/{finding.pk}/", {"choice": "repair", "reason": "A mistake"})
    finding.refresh_from_db()
    assert finding.choice == "repair"
    assert AccessKey.objects.get().wanted == "Active"


@pytest.mark.parametrize(
    ("kind", "choice"),
    [(Finding.Kind.USER_MISSING, "adopt"), (Finding.Kind.FOREIGN_POLICY, "repair")],
)
def test_choice_that_cannot_be_is_not_offered_and_not_taken(
    otto: Client, pull_user: PullUser, kind: Finding.Kind, choice: str
) -> None:
    finding = find(pull_user, kind)
    page = f"/ops/findings/{finding.pk}/"
    assert f'value="{choice}"' not in otto.get(page).content.decode()
    otto.post(page, {"choice": choice, "reason": "Any"})
    finding.refresh_from_db()
    assert finding.choice == ""


def test_who_can_pull_is_told_as_aws_was_read(otto: Client, pull_user: PullUser) -> None:
    repository = Repository.objects.get(name="acme/server")
    page = f"/ops/repositories/{repository.pk}/pullers/"
    assert "AWS was not read yet" in words(otto.get(page))
    pullers = [[pull_user.arn, "EcrPortal"], ["arn:aws:iam::1:root", "Partner"]]
    Repository.objects.update(pullers=pullers)
    shown = words(otto.get(page))
    assert f"{pull_user.arn} (the portal's)" in shown
    assert "arn:aws:iam::1:root (not the portal's: statement Partner)" in shown


def test_meters_are_shown(otto: Client, pull_user: PullUser) -> None:
    Repository.objects.filter(name="acme/server").update(policy_length=9_000)
    shown = words(otto.get("/ops/capacity/"))
    assert "Policy of acme/server 9,000 of 10,240" in shown
    assert "IAM users of account 123456789012" in shown


def test_paused_registry_is_an_alarm_that_ops_can_end(otto: Client, pull_user: PullUser) -> None:
    Registry.objects.update(paused_by="PullUser 1", paused_because="The role is refused.")
    assert "The role is refused." in words(otto.get("/ops/"))
    otto.post(f"/ops/registries/{Registry.objects.get().pk}/retry/")
    assert Registry.objects.get().paused_by == ""
    assert AuditEvent.objects.get(deed="retried").subject == "registry Frankfurt"


def test_ops_switch_a_key_off_with_a_reason(otto: Client, pull_user: PullUser) -> None:
    key = pull_user.access_keys.get()
    page = f"/ops/keys/{key.pk}/switch/"
    otto.post(page, {"reason": ""})
    assert AccessKey.objects.get().wanted == "Active"
    otto.post(page, {"reason": "Leaked"})
    assert AccessKey.objects.get().wanted == "Inactive"
    assert AuditEvent.objects.get(deed="deactivated").reason == "Leaked"
