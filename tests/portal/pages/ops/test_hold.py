"""The hold: ops see what differs, decide about what is alike at once, and end it."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts.audit.models import AuditEvent
from provisioning.demo.seed import Cast
from provisioning.desired.hold import begin
from provisioning.models import (
    AccessKey,
    Drift,
    Entitlement,
    Installation,
    PullUser,
    Registry,
    Repository,
)
from provisioning.models.drift import DriftKind
from tests.entitlements import approved
from tests.portal.pages.pages import just_signed_in, words
from tests.provisioned import days, provision

PAGE = "/ops/hold/"
FACTS = {"status": "Active", "created_at": "2026-11-20T08:00:00+00:00"}


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    approved(cast)
    return provision(cast.birch)


@pytest.fixture
def otto(cast: Cast) -> Client:
    return just_signed_in(cast.otto)


def held() -> None:
    begin("A backup was restored.")


def unknown_keys(pull_user: PullUser, *key_ids: str) -> list[str]:
    """Returns their primary keys, as a form has them."""
    return [
        str(
            Drift.objects.create(
                kind=DriftKind.KEY_UNKNOWN, subject=key_id, pull_user=pull_user, facts=FACTS
            ).pk
        )
        for key_id in key_ids
    ]


def look_at_everything() -> None:
    Registry.objects.update(observed_at=timezone.now(), epoch_at=timezone.now())
    Repository.objects.update(observed_at=timezone.now())
    PullUser.objects.update(observed_at=timezone.now())


def test_ops_hold_the_portal_and_release_it(otto: Client, pull_user: PullUser) -> None:
    assert "Hold the portal" in words(otto.get(PAGE))
    otto.post(PAGE, {"action": "hold", "reason": "A rehearsal"})
    shown = words(otto.get(PAGE))
    assert "A rehearsal" in shown
    assert "yet to look at" in shown
    assert "The portal is held" in words(otto.get("/ops/"))
    refused = otto.post(PAGE, {"action": "release", "reason": "Enough of it"})
    assert "yet to look at" in words(refused)
    assert "Enough of it" in refused.content.decode()
    look_at_everything()
    otto.post(PAGE, {"action": "release", "reason": "Enough of it"})
    assert Installation.get().held_at is None
    lines = AuditEvent.objects.filter(action__in=["held", "released"]).order_by("pk")
    assert [line.reason for line in lines] == ["A rehearsal", "Enough of it"]


def test_form_that_names_no_action_holds_nothing(otto: Client, pull_user: PullUser) -> None:
    assert otto.post(PAGE, {"reason": "Any"}).status_code == 200
    assert Installation.get().held_at is None


def test_reason_is_needed_and_the_selection_is_kept(otto: Client, pull_user: PullUser) -> None:
    held()
    first, second = unknown_keys(pull_user, "AKIA1", "AKIA2")
    fields = {"action": "decide", "kind": "key_unknown", "choice": "adopt", "drift": [second]}
    page = otto.post(PAGE, fields)
    html = page.content.decode()
    assert "This field is required" in html
    assert f'id="drift-{second}" checked' in html
    assert f'id="drift-{first}" checked' not in html
    assert not Drift.objects.exclude(choice="").exists()


def test_alike_differences_are_decided_at_once(otto: Client, pull_user: PullUser) -> None:
    held()
    pks = unknown_keys(pull_user, "AKIA1")
    page = words(otto.get(PAGE))
    assert "Birch Bank birch-bank AKIA1 (active, created 20 November 2026, never used)" in page
    fields = {"action": "decide", "kind": "key_unknown", "choice": "adopt", "drift": pks}
    answer = otto.post(PAGE, fields | {"reason": "As it was"}, follow=True)
    assert "Recorded for 1" in words(answer)
    assert AccessKey.objects.get(access_key_id="AKIA1").desired == "Active"


@pytest.mark.parametrize(
    ("first", "second", "words_of_first"),
    [
        ("adopt", "repair", "leave as it is"),
        ("repair", "adopt", "repair"),
        ("adopt",) * 2 + ("leave as it is",),
    ],
)
def test_second_decision_about_a_difference_is_refused_and_names_the_first(
    otto: Client, pull_user: PullUser, first: str, second: str, words_of_first: str
) -> None:
    """Both were made on a page that showed none."""
    held()
    (drift,) = unknown_keys(pull_user, "AKIA1")
    fields = {"action": "decide", "kind": "key_unknown", "drift": [drift], "reason": "Seen"}
    otto.post(PAGE, fields | {"choice": first})
    shown = otto.post(PAGE, fields | {"choice": second}, follow=True)
    assert f"Otto Okafor has decided already: {words_of_first}." in words(shown)
    assert "Recorded" not in words(shown).partition("has decided already")[2]
    assert Drift.objects.get().choice == first
    assert AuditEvent.objects.filter(action="chose").count() == 1
    assert AccessKey.objects.filter(access_key_id="AKIA1").exists() is (first == "adopt")


def test_decision_is_about_differences_of_its_kind_only(otto: Client, pull_user: PullUser) -> None:
    held()
    (drift,) = unknown_keys(pull_user, "AKIA1")
    fields = {"action": "decide", "kind": "key_status", "choice": "adopt", "drift": [drift]}
    shown = otto.post(PAGE, fields | {"reason": "Mixed up"})
    assert shown.status_code == 200
    assert Drift.objects.get().choice == ""
    assert not AccessKey.objects.filter(access_key_id="AKIA1").exists()


def test_choice_can_be_changed_by_who_saw_it_unless_it_is_done(
    otto: Client, pull_user: PullUser
) -> None:
    begin("A backup was restored.")
    (pk,) = unknown_keys(pull_user, "AKIA1")
    page = f"/ops/drift/{pk}/"
    otto.post(page, {"choice": "repair", "seen": "", "reason": "A leak"})
    assert "Chosen Repair, by Otto Okafor" in words(otto.get(page))
    refused = otto.post(page, {"choice": "adopt", "seen": "", "reason": "Our own"})
    assert "has decided already: repair." in words(refused)
    otto.post(page, {"choice": "adopt", "seen": "repair", "reason": "Our own"})
    assert AccessKey.objects.filter(access_key_id="AKIA1").exists()
    done = otto.post(page, {"choice": "repair", "seen": "adopt", "reason": "A leak"})
    assert "has decided already: leave as it is." in words(done)
    assert Drift.objects.get().choice == "adopt"


def test_difference_that_cannot_be_adopted_keeps_no_other_from_it(
    otto: Client, pull_user: PullUser, cast: Cast
) -> None:
    held()
    repository = Repository.objects.get(name="acme/server")
    for name in ("cedar-clinic", "nobody-known"):
        arn = f"arn:aws:iam::123456789012:user/ecr-portal/{name}"
        for each in cast.server.repositories.all():
            Drift.objects.create(kind="grant_unknown", subject=arn, repository=each)
    pks = [str(drift.pk) for drift in Drift.objects.filter(repository=repository)]
    fields = {"action": "decide", "kind": "grant_unknown", "choice": "adopt", "drift": pks}
    shown = words(otto.post(PAGE, fields | {"reason": "As it was"}, follow=True))
    assert "no customer with the short name nobody-known" in shown
    assert "Recorded for 1" in shown
    assert Entitlement.objects.get(customer=cast.cedar).state == "approved"


def test_page_names_the_entitlements_that_end_with_the_hold(
    otto: Client, pull_user: PullUser
) -> None:
    held()
    Entitlement.objects.update(starts_at=days(-9), ends_at=days(-1), due_at=days(-1))
    assert "Acme Server for Birch Bank, until" in words(otto.get(PAGE))


def test_page_shows_a_hundred_of_a_kind(otto: Client, pull_user: PullUser) -> None:
    held()
    unknown_keys(pull_user, *(f"AKIA{number}" for number in range(101)))
    shown = words(otto.get(PAGE))
    assert "Access key that the portal did not create: 101" in shown
    assert "Only 100 are shown" in shown
