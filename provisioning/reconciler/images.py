"""The images of repositories, read from ECR for the customers' pages. Not part of any turn: a
failure here fails nothing, and nobody waits for it."""

import logging
import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts import clock
from provisioning.aws import boto, errors
from provisioning.aws.gateway import EcrImage, Gateway
from provisioning.models import Grant, Image, Repository, update_in_order
from provisioning.notifications import versions
from provisioning.states import Desired

log = logging.getLogger(__name__)

# How many images of a repository the portal keeps: the newest.
KEPT = 500
# "imageIds … Maximum number of 100 items": BatchGetImage, ECR API reference.
AT_ONCE = 100
# How soon it is retried after a temporary error, or when the worker died.
RETRY = timedelta(minutes=2)
# Signatures and attestations of another image, recognised by their tags (cosign's scheme, and the
# OCI distribution specification's "Referrers Tag Schema").
ABOUT_ANOTHER = re.compile(r"sha256-[0-9a-f]{64}(\.[a-z]+)?")
# What ECR says of an image with its digest.
OBSERVED = ["tags", "kind", "size_bytes", "pushed_at", "platforms"]
INDEXES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
}
KINDS = {
    "": Image.Kind.IMAGE,
    "application/vnd.oci.image.config.v1+json": Image.Kind.IMAGE,
    "application/vnd.docker.container.image.v1+json": Image.Kind.IMAGE,
    "application/vnd.cncf.helm.config.v1+json": Image.Kind.CHART,
}


def take_due(limit: int, among: Collection[int] | None = None) -> set[int]:
    """Repositories whose images should be read now: those that a customer may pull from, or soon
    may. A reading that does not end is due again after RETRY."""
    now = clock.now()
    desired = Grant.objects.filter(repository=OuterRef("pk"), desired=Desired.PRESENT)
    due = Repository.objects.filter(
        Exists(desired), images_due_at__lte=now, registry__paused_at__isnull=True
    ).order_by("images_due_at")
    if among is not None:
        due = due.filter(pk__in=among)
    taken = set(due.values_list("pk", flat=True)[:limit])
    if taken:
        update_in_order(Repository.objects.filter(pk__in=taken), images_due_at=now + RETRY)
    return taken


def read(pk: int) -> None:
    """Read a repository's images from ECR and record them."""
    repository = Repository.objects.select_related("registry").filter(pk=pk).first()
    if repository is None:
        return
    began = clock.now()
    try:
        gateway = boto.connect(repository.registry)
        found = _worth_showing(gateway.images(repository.name))
    except errors.AwsError as error:
        log.warning("The images of %s could not be listed: %s", repository, error)
        if isinstance(error, errors.SessionExpired):
            boto.renew_sessions()
        if not isinstance(error, errors.TemporaryError):
            Repository.objects.filter(pk=pk).update(images_due_at=_next_reading())
        return
    known = dict(repository.images.values_list("digest", "platforms"))
    platforms = _platforms(gateway, repository, found, known)
    rows = [
        Image(
            repository=repository,
            digest=image.digest,
            tags=sorted(image.tags, key=_by_precision),
            kind=KINDS.get(image.artifact_type, Image.Kind.OTHER),
            size_bytes=image.size_bytes,
            pushed_at=image.pushed_at,
            platforms=platforms.get(image.digest),
        )
        for image in found
    ]
    with transaction.atomic():
        # Of two readings that overlap, the one that began later counts.
        older = Q(images_read_at__isnull=True) | Q(images_read_at__lt=began)
        not_newer = Repository.objects.filter(older, pk=pk)
        read = {"images_read_at": began, "images_due_at": _next_reading()}
        if not_newer.update(**read, newest_tag=_newest_tag(rows)):
            _replace(repository, rows)
            added = [tag for row in rows if row.digest not in known for tag in row.tags]
            if added and repository.images_read_at:
                versions.tell(repository, added)


def _next_reading() -> datetime:
    return clock.now() + settings.IMAGES_EVERY


def _replace(repository: Repository, rows: list[Image]) -> None:
    """Write what has changed."""
    known = {image.digest: image for image in repository.images.all()}
    gone = known.keys() - {row.digest for row in rows}
    if gone:
        repository.images.filter(digest__in=gone).delete()
    Image.objects.bulk_create(
        [row for row in rows if not _is_as_known(row, known.get(row.digest))],
        update_conflicts=True,
        unique_fields=["repository", "digest"],
        update_fields=OBSERVED,
    )


def _is_as_known(row: Image, known: Image | None) -> bool:
    return known is not None and all(
        getattr(row, name) == getattr(known, name) for name in OBSERVED
    )


def _worth_showing(found: list[EcrImage]) -> list[EcrImage]:
    """The newest images that are not about another image."""
    own = (image for image in found if not all(map(ABOUT_ANOTHER.fullmatch, image.tags)))
    return [image for _, image in zip(range(KEPT), own, strict=False)]


def _platforms(
    gateway: Gateway,
    repository: Repository,
    found: list[EcrImage],
    known: dict[str, list[str] | None],
) -> dict[str, list[str]]:
    """Digest → platforms. ECR is asked only about indexes that are not known yet: the content of
    a digest never changes."""
    platforms = {image.digest: list[str]() for image in found if image.manifest_type not in INDEXES}
    platforms |= {digest: listed for digest, listed in known.items() if listed is not None}
    unknown = [image.digest for image in found if image.digest not in platforms]
    try:
        for first in range(0, len(unknown), AT_ONCE):
            platforms |= gateway.platforms(repository.name, unknown[first : first + AT_ONCE])
    except errors.AwsError as error:
        log.warning("The platforms in %s could not be read: %s", repository, error)
    return platforms


def _newest_tag(rows: Sequence[Image]) -> str:
    """The tag to pull: of the newest image, or of the newest chart where there are no images."""
    kinds = [Image.Kind.IMAGE, Image.Kind.CHART, Image.Kind.OTHER]
    # The rows are in order of age, and sorting is stable.
    by_kind = sorted(rows, key=lambda row: kinds.index(Image.Kind(row.kind)))
    return str(by_kind[0].tags[0]) if by_kind else ""


def _by_precision(tag: str) -> tuple[bool, int, str]:
    """Sorts an image's tags: versions first, the most precise one foremost."""
    return re.match(r"v?\d", tag) is None, -len(tag), tag
