"""The images that the portal knows of: read from ECR beside the turns, and in few calls."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning import images, tasks
from provisioning.demo.cast import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.embedded_aws.images import Image as Pushed
from provisioning.embedded_aws.images import make, make_chart, make_index
from provisioning.models import Image, Registry, Repository
from provisioning.wanted import Due
from tests.aws import ACCOUNT_ID, REGION, Aws
from tests.provisioned import approved
from tests.turns import take_turns

SERVER, AGENT = "acme/server", "acme/agent"


def push(aws: Aws, repository: str, tag: str, image: Pushed | None = None) -> str:
    return aws.embedded.push(ACCOUNT_ID, REGION, repository, tag, image)


def read(name: str) -> Repository:
    row = Repository.objects.get(name=name)
    images.read(row.pk)
    row.refresh_from_db()
    return row


def asked(aws: Aws, since: int) -> Counter[str]:
    return Counter(call.operation for call in aws.embedded.calls[since:])


def lay(aws: Aws, operation: str, code: str, times: int = 4) -> None:
    aws.embedded.faults.lay(Fault(operation, Kind.REFUSED, times, 400, code, "Refused."))


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


def test_newest_image_comes_first_with_all_that_ecr_tells(aws: Aws, cast: Cast) -> None:
    row = read(SERVER)
    newest, older = row.images.all()
    assert newest.digest == aws.digest(SERVER, "1.1") == make(SERVER, "1.1").digest
    assert (newest.tags, older.tags) == (["1.1", "latest"], ["1.0"])
    assert (newest.kind, newest.size_bytes) == ("image", make(SERVER, "1.1").size)
    assert timedelta(0) < timezone.now() - newest.pushed_at < timedelta(days=7)
    assert (newest.platforms, newest.is_one_platform) == ([], True)
    assert row.newest_tag == "1.1"
    assert row.images_read_at is not None


def test_index_tells_its_platforms_and_the_size_of_its_largest_image(aws: Aws, cast: Cast) -> None:
    (image,) = read(AGENT).images.all()
    (listing,) = [c for c in aws.embedded.calls if c.operation == "DescribeImages"]
    assert listing.parameters["filter"] == {"tagStatus": "TAGGED"}
    # Without the attestation, which is of no platform, and without the untagged parts.
    assert image.platforms == ["linux/amd64", "linux/arm64/v8"]
    assert image.size_bytes == make(AGENT, "2.3", "arm64").size
    assert image.size_bytes >= make(AGENT, "2.3").size


def test_chart_is_known_as_one(aws: Aws, cast: Cast) -> None:
    push(aws, SERVER, "3.0.0", make_chart("server", "3.0.0"))
    row = read(SERVER)
    assert row.images.get(tags=["3.0.0"]).kind == "chart"
    # What docker pulls is the newest image, though the chart came later.
    assert row.newest_tag == "1.1"


def test_signatures_are_no_images(aws: Aws, cast: Cast) -> None:
    about = aws.digest(SERVER, "1.1").replace(":", "-")
    for tag in (f"{about}.sig", f"{about}.att", about):
        push(aws, SERVER, tag)
    row = read(SERVER)
    assert row.newest_tag == "1.1"
    assert row.images.count() == 2


def test_lists_in_pages_are_read_to_the_end(aws: Aws, cast: Cast) -> None:
    aws.embedded.rules.page_size = 1
    push(aws, SERVER, "1.2")
    assert [image.tags[0] for image in read(SERVER).images.all()] == ["1.2", "1.1", "1.0"]


def test_only_the_newest_of_very_many_are_kept(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "KEPT", 3)
    for number in range(5):
        push(aws, SERVER, f"2.{number}")
    assert [image.tags[0] for image in read(SERVER).images.all()] == ["2.4", "2.3", "2.2"]


def test_calls_for_one_list_are_bounded(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.aws.boto.ecr.MOST_PAGES", 2)
    aws.embedded.rules.page_size = 1
    push(aws, SERVER, "1.2")
    before = len(aws.embedded.calls)
    assert read(SERVER).images.count() == 2
    assert asked(aws, before)["DescribeImages"] == 2


def test_known_images_cost_one_call_for_the_list_and_none_for_themselves(
    aws: Aws, cast: Cast
) -> None:
    before = len(aws.embedded.calls)
    read(AGENT)
    assert asked(aws, before) == {"AssumeRole": 1, "DescribeImages": 1, "BatchGetImage": 1}
    before = len(aws.embedded.calls)
    read(AGENT)
    assert asked(aws, before) == {"DescribeImages": 1}
    for number in range(3):
        push(aws, AGENT, f"3.{number}", make_index(AGENT, f"3.{number}", ["linux/amd64"]))
    before = len(aws.embedded.calls)
    assert read(AGENT).images.count() == 4
    assert asked(aws, before) == {"DescribeImages": 1, "BatchGetImage": 1}


def test_what_is_deleted_or_tagged_anew_in_ecr_is_so_here(aws: Aws, cast: Cast) -> None:
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
    ("code", "comes_again"),
    [("ThrottlingException", "soon"), ("AccessDeniedException", "in its turn")],
)
def test_refused_list_changes_nothing_and_fails_nothing(
    aws: Aws, cast: Cast, code: str, comes_again: str
) -> None:
    approved(cast)
    take_turns()
    read_at = Repository.objects.get(name=SERVER).images_read_at
    known = list(Image.objects.values())
    Repository.objects.update(images_due_at=timezone.now())
    lay(aws, "DescribeImages", code, times=8)
    for pk in images.take_due(10):
        images.read(pk)
    row = Repository.objects.get(name=SERVER)
    assert (row.images_read_at, row.failures, row.attention) == (read_at, 0, "")
    assert list(Image.objects.values()) == known
    assert Registry.objects.get().paused_by == ""
    is_soon = row.images_due_at < timezone.now() + timedelta(minutes=3)
    assert is_soon is (comes_again == "soon")


def test_role_that_may_not_read_manifests_leaves_platforms_unknown_until_it_may(
    aws: Aws, cast: Cast
) -> None:
    lay(aws, "BatchGetImage", "AccessDeniedException", times=1)
    (image,) = read(AGENT).images.all()
    assert (image.tags, image.platforms, image.is_one_platform) == (["2.3", "latest"], None, False)
    assert read(AGENT).images.get().platforms == ["linux/amd64", "linux/arm64/v8"]


def test_reading_that_began_earlier_does_not_overwrite_a_later_one(aws: Aws, cast: Cast) -> None:
    later = timezone.now() + timedelta(minutes=1)
    Repository.objects.filter(name=SERVER).update(images_read_at=later)
    row = read(SERVER)
    assert (row.images.count(), row.newest_tag, row.images_read_at) == (0, "", later)


def test_repository_that_the_portal_has_no_more_is_no_error(cast: Cast) -> None:
    images.read(0)


def test_images_are_read_for_those_who_may_pull_and_again_when_their_time_comes(
    aws: Aws, cast: Cast
) -> None:
    assert images.take_due(10) == set()
    approved(cast)
    due = set(cast.server.repositories.values_list("pk", flat=True))
    # No more than one sweep takes; and what is taken is left to its message for a while.
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


def test_images_of_a_paused_registry_wait(aws: Aws, cast: Cast) -> None:
    approved(cast)
    Registry.objects.update(paused_by="PullUser 1")
    assert images.take_due(10) == set()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The messages, in their order."""
    messages: list[tuple[str, int]] = []
    for turn in (
        tasks.images_turn,
        tasks.pull_user_turn,
        tasks.repository_turn,
        tasks.registry_turn,
    ):
        name = turn.name.rpartition(".")[2]
        monkeypatch.setattr(turn, "delay", lambda pk, name=name: messages.append((name, pk)))
    return messages


def test_sweep_has_images_read_that_nobody_else_had(
    aws: Aws, cast: Cast, sent: list[tuple[str, int]]
) -> None:
    approved(cast)
    Repository.objects.update(due_at=None)
    tasks.sweep()
    asked = [pk for name, pk in sent if name == "images_turn"]
    assert asked == sorted(cast.server.repositories.values_list("pk", flat=True))
    tasks.images_turn(asked[0])
    assert Image.objects.exists()


def test_images_of_a_repository_are_asked_for_before_it_is_opened(
    aws: Aws, cast: Cast, sent: list[tuple[str, int]]
) -> None:
    approved(cast)
    repositories = set(cast.server.repositories.values_list("pk", flat=True))
    tasks.enqueue(Due(repositories=repositories))
    assert [name for name, _ in sent] == ["images_turn"] * 2 + ["repository_turn"] * 2
    Repository.objects.update(queued_at=None)
    tasks.enqueue(Due(repositories=repositories))
    assert [name for name, _ in sent[4:]] == ["repository_turn"] * 2


def test_turn_of_a_policy_lists_no_images(aws: Aws, cast: Cast) -> None:
    approved(cast)
    Repository.objects.update(images_due_at=timezone.now() + timedelta(hours=1))
    before = len(aws.embedded.calls)
    take_turns()
    assert asked(aws, before)["SetRepositoryPolicy"] == 2
    assert asked(aws, before)["DescribeImages"] == 0
