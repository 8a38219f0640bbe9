"""The images that the portal knows: read from ECR apart from the turns, in few calls."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Email, Membership
from provisioning import tasks
from provisioning.demo.seed import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.embedded_aws.images import Image as Pushed
from provisioning.embedded_aws.images import make, make_chart, make_index
from provisioning.flows import Actor
from provisioning.flows.entitlements import withdraw
from provisioning.flows.retry import retry
from provisioning.models import Image, Registry, Repository
from provisioning.reconciler import images
from tests import messages
from tests.accounts.outbox import recipients
from tests.aws import ACCOUNT_ID, REGION, Aws
from tests.entitlements import approved
from tests.worker import take_turns

SERVER, AGENT = "acme/server", "acme/agent"


def push(aws: Aws, repository: str, tag: str, image: Pushed | None = None) -> str:
    return aws.embedded.push(ACCOUNT_ID, REGION, repository, tag, image)


def read(name: str) -> Repository:
    row = Repository.objects.get(name=name)
    images.read(row.pk)
    row.refresh_from_db()
    return row


def operations(aws: Aws, since: int) -> Counter[str]:
    return Counter(call.operation for call in aws.embedded.calls[since:])


def refuse(aws: Aws, operation: str, code: str, times: int = 4) -> None:
    aws.embedded.faults.lay(Fault(operation, Kind.REFUSED, times, 400, code, "Refused."))


@pytest.fixture(autouse=True)
def _retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


def test_newest_image_comes_first_with_everything_ecr_reports(aws: Aws, cast: Cast) -> None:
    row = read(SERVER)
    newest, older = row.images.all()
    assert newest.digest == aws.digest(SERVER, "1.1") == make(SERVER, "1.1").digest
    assert (newest.tags, older.tags) == (["1.1", "latest"], ["1.0"])
    assert (newest.kind, newest.size_bytes) == ("image", make(SERVER, "1.1").size)
    assert timedelta(0) < timezone.now() - newest.pushed_at < timedelta(days=7)
    assert (newest.platforms, newest.is_one_platform) == ([], True)
    assert row.newest_tag == "1.1"
    assert row.images_read_at is not None


def test_index_has_its_platforms_and_the_size_of_its_largest_image(aws: Aws, cast: Cast) -> None:
    (image,) = read(AGENT).images.all()
    (listing,) = [c for c in aws.embedded.calls if c.operation == "DescribeImages"]
    assert listing.parameters["filter"] == {"tagStatus": "TAGGED"}
    # Neither the attestation, which has no platform, nor the untagged parts.
    assert image.platforms == ["linux/amd64", "linux/arm64/v8"]
    assert image.size_bytes == make(AGENT, "2.3", "arm64").size
    assert image.size_bytes >= make(AGENT, "2.3").size


def test_chart_is_recognised(aws: Aws, cast: Cast) -> None:
    push(aws, SERVER, "3.0.0", make_chart("server", "3.0.0"))
    row = read(SERVER)
    assert row.images.get(tags=["3.0.0"]).kind == "chart"
    # What docker pulls is the newest image, though the chart came later.
    assert row.newest_tag == "1.1"


def test_signatures_are_not_listed(aws: Aws, cast: Cast) -> None:
    about = aws.digest(SERVER, "1.1").replace(":", "-")
    for tag in (f"{about}.sig", f"{about}.att", about):
        push(aws, SERVER, tag)
    row = read(SERVER)
    assert row.newest_tag == "1.1"
    assert row.images.count() == 2


def test_all_pages_of_a_list_are_read(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.page_size = 1
    push(aws, SERVER, "1.2")
    assert [image.tags[0] for image in read(SERVER).images.all()] == ["1.2", "1.1", "1.0"]


def test_only_the_newest_of_many_images_are_kept(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "KEPT", 3)
    for number in range(5):
        push(aws, SERVER, f"2.{number}")
    assert [image.tags[0] for image in read(SERVER).images.all()] == ["2.4", "2.3", "2.2"]


def test_number_of_calls_for_one_list_is_limited(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.aws.boto.ecr.MOST_PAGES", 2)
    aws.embedded.config.page_size = 1
    push(aws, SERVER, "1.2")
    before = len(aws.embedded.calls)
    assert read(SERVER).images.count() == 2
    assert operations(aws, before)["DescribeImages"] == 2


def test_known_images_cost_one_call_for_the_list_and_none_of_their_own(
    aws: Aws, cast: Cast
) -> None:
    before = len(aws.embedded.calls)
    read(AGENT)
    assert operations(aws, before) == {"AssumeRole": 1, "DescribeImages": 1, "BatchGetImage": 1}
    before = len(aws.embedded.calls)
    read(AGENT)
    assert operations(aws, before) == {"DescribeImages": 1}
    for number in range(3):
        push(aws, AGENT, f"3.{number}", make_index(AGENT, f"3.{number}", ["linux/amd64"]))
    before = len(aws.embedded.calls)
    assert read(AGENT).images.count() == 4
    assert operations(aws, before) == {"DescribeImages": 1, "BatchGetImage": 1}


def test_reading_what_has_not_changed_writes_no_image(aws: Aws, cast: Cast) -> None:
    for number in range(20):
        push(aws, SERVER, f"3.{number}")
    row = read(SERVER)
    with CaptureQueriesContext(connection) as captured:
        images.read(row.pk)
    written = [each["sql"] for each in captured if "provisioning_image" in each["sql"]]
    assert [sql for sql in written if not sql.startswith("SELECT")] == []
    push(aws, SERVER, "3.20")
    with CaptureQueriesContext(connection) as captured:
        images.read(row.pk)
    (inserted,) = [each["sql"] for each in captured if each["sql"].startswith("INSERT INTO")]
    assert inserted.count("sha256:") == 1


def test_platforms_of_many_new_images_are_asked_a_hundred_at_a_time(aws: Aws, cast: Cast) -> None:
    for number in range(101):
        push(aws, AGENT, f"3.{number}", make_index(AGENT, f"3.{number}", ["linux/amd64"]))
    before = len(aws.embedded.calls)
    assert read(AGENT).images.filter(platforms=["linux/amd64"]).count() >= 101
    assert operations(aws, before)["BatchGetImage"] == 2


def test_images_deleted_or_tagged_again_in_ecr_change_here_too(aws: Aws, cast: Cast) -> None:
    read(SERVER)
    one = Image.objects.get(tags=["1.0"])
    aws.ecr.batch_delete_image(
        repositoryName=SERVER, imageIds=[{"imageDigest": aws.digest(SERVER, "1.1")}]
    )
    aws.embedded.push(ACCOUNT_ID, REGION, SERVER, "1.0.1", make(SERVER, "1.0"))
    row = read(SERVER)
    (left,) = row.images.all()
    assert (left.pk, left.tags) == (one.pk, ["1.0.1", "1.0"])
    assert row.newest_tag == "1.0.1"


@pytest.mark.parametrize(
    ("code", "is_soon"),
    [("ThrottlingException", True), ("AccessDeniedException", False)],
    ids=["throttled is retried soon", "denied is retried when next due"],
)
def test_refused_list_changes_nothing_and_fails_nothing(
    aws: Aws, cast: Cast, code: str, *, is_soon: bool
) -> None:
    approved(cast)
    take_turns()
    read_at = Repository.objects.get(name=SERVER).images_read_at
    known = list(Image.objects.values())
    Repository.objects.update(images_due_at=timezone.now())
    refuse(aws, "DescribeImages", code, times=8)
    for pk in images.take_due(10):
        images.read(pk)
    row = Repository.objects.get(name=SERVER)
    assert (row.images_read_at, row.failures, row.attention) == (read_at, 0, "")
    assert list(Image.objects.values()) == known
    assert Registry.objects.get().paused_at is None
    assert (row.images_due_at < timezone.now() + timedelta(minutes=3)) is is_soon


def test_platforms_stay_unknown_until_the_role_may_read_manifests(aws: Aws, cast: Cast) -> None:
    refuse(aws, "BatchGetImage", "AccessDeniedException", times=1)
    (image,) = read(AGENT).images.all()
    assert (image.tags, image.platforms, image.is_one_platform) == (["2.3", "latest"], None, False)
    assert read(AGENT).images.get().platforms == ["linux/amd64", "linux/arm64/v8"]


def test_reading_that_began_earlier_does_not_overwrite_a_later_one(aws: Aws, cast: Cast) -> None:
    later = timezone.now() + timedelta(minutes=1)
    Repository.objects.filter(name=SERVER).update(images_read_at=later)
    row = read(SERVER)
    assert (row.images.count(), row.newest_tag, row.images_read_at) == (0, "", later)


def test_repository_that_was_deleted_meanwhile_is_not_an_error(cast: Cast) -> None:
    images.read(0)


def test_images_are_read_where_a_customer_may_pull_and_again_when_due(aws: Aws, cast: Cast) -> None:
    assert images.take_due(10) == set()
    approved(cast)
    due = set(cast.server.repositories.values_list("pk", flat=True))
    # At most the limit is taken, and what is taken is not due again for a while.
    first = images.take_due(1)
    assert len(first) == 1
    assert images.take_due(10, among=first) == set()
    assert first | images.take_due(10) == due
    assert images.take_due(10) == set()
    minutes = (Repository.objects.get(pk=min(due)).images_due_at - timezone.now()).seconds / 60
    assert 1 < minutes < 3
    images.read(min(due))
    minutes = (Repository.objects.get(pk=min(due)).images_due_at - timezone.now()).seconds / 60
    assert 14 < minutes < 16


def test_images_are_read_at_once_when_ops_ask(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    row = Repository.objects.get(name=SERVER)
    assert row.pk not in images.take_due(10)
    retry(row, by=Actor(cast.otto))
    assert row.pk in images.take_due(10)


def test_images_of_a_paused_registry_are_not_due(aws: Aws, cast: Cast) -> None:
    approved(cast)
    Registry.objects.update(paused_at=timezone.now())
    assert images.take_due(10) == set()


def test_sweep_has_due_images_read(aws: Aws, cast: Cast) -> None:
    approved(cast)
    messages.clear()
    Repository.objects.update(due_at=None)
    tasks.sweep()
    to_read = messages.waiting("read_images")
    repositories = cast.server.repositories.values_list("pk", flat=True)
    assert to_read == [("read_images", [pk]) for pk in sorted(repositories)]
    tasks.read_images(*to_read[0][1])
    assert Image.objects.exists()


def test_images_of_a_repository_are_read_before_it_is_opened(aws: Aws, cast: Cast) -> None:
    approved(cast)
    messages.clear()
    repositories = set(cast.server.repositories.values_list("pk", flat=True))
    tasks.enqueue(Repository, repositories)
    sent = [name for name, _ in messages.receive()]
    assert sent == ["read_images"] * 2 + ["repository_turn"] * 2
    Repository.objects.update(queued_at=None)
    tasks.enqueue(Repository, repositories)
    assert [name for name, _ in messages.receive()] == ["repository_turn"] * 2


def test_turn_at_a_repository_lists_no_images(aws: Aws, cast: Cast) -> None:
    approved(cast)
    Repository.objects.update(images_due_at=timezone.now() + timedelta(hours=1))
    before = len(aws.embedded.calls)
    take_turns()
    assert operations(aws, before)["SetRepositoryPolicy"] == 2
    assert operations(aws, before)["DescribeImages"] == 0


# --- New versions --------------------------------------------------------------------


def test_members_who_asked_learn_of_a_new_version_once(aws: Aws, cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).update(switched=["new_version"])
    Membership.objects.filter(user=cast.charlie).update(switched=["new_version"])
    approved(cast)
    take_turns()
    read(SERVER)
    assert recipients("new_version") == []  # What was there at first is not new.
    push(aws, SERVER, "1.2")
    push(aws, AGENT, "9.9", make(SERVER, "1.1"))
    read(SERVER)
    read(SERVER)
    assert recipients("new_version") == [cast.bob.email]
    email = Email.objects.get(kind="new_version")
    assert (email.facts["repository"], email.facts["tags"]) == (SERVER, ["1.2"])


def test_moved_tag_and_ended_access_are_no_news(aws: Aws, cast: Cast) -> None:
    Membership.objects.update(switched=["new_version"])
    entitlement = approved(cast)
    take_turns()
    read(SERVER)
    push(aws, SERVER, "latest", make(SERVER, "1.0"))
    read(SERVER)
    withdraw(entitlement, by=Actor(cast.sandra), reason="End")
    push(aws, SERVER, "1.2")
    read(SERVER)
    assert recipients("new_version") == []
