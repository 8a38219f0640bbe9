"""The images of repositories, as ECR tells them, for the customers' pages. Not a part of any
turn: what fails here fails nothing, and nobody waits for it."""

import logging
import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from provisioning.aws import boto, errors
from provisioning.aws.gateway import EcrImage, Gateway
from provisioning.models import Grant, Image, Repository
from provisioning.states import Wanted

log = logging.getLogger(__name__)

# How many of a repository the portal keeps: its newest.
KEPT = 50
# How soon it is tried again after an error that passes by itself, or if nothing is heard.
RETRY = timedelta(minutes=2)
# Signatures and attestations of an image that stands beside them, by their tags (cosign's
# scheme, and the fallback of the OCI distribution specification, "Referrers Tag Schema").
ABOUT_ANOTHER = re.compile(r"sha256-[0-9a-f]{64}(\.[a-z]+)?")
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
    """Repositories whose images are to be read now: those that somebody may pull from, or
    soon may. A reading that is not heard of is due again after RETRY."""
    now = timezone.now()
    wanted = Grant.objects.filter(repository=OuterRef("pk"), wanted=Wanted.PRESENT)
    due = Repository.objects.filter(
        Exists(wanted), images_due_at__lte=now, registry__paused_by=""
    ).order_by("images_due_at")
    if among is not None:
        due = due.filter(pk__in=among)
    taken = set(due.values_list("pk", flat=True)[:limit])
    if taken:
        Repository.objects.filter(pk__in=taken).update(images_due_at=now + RETRY)
    return taken


def read(pk: int) -> None:
    """Ask ECR for a repository's images, and write them down."""
    repository = Repository.objects.select_related("registry").filter(pk=pk).first()
    if repository is None:
        return
    began = timezone.now()
    try:
        gateway = boto.connect(repository.registry)
        told = _worth_showing(gateway.images(repository.name))
    except errors.AwsError as error:
        log.warning("The images of %s could not be listed: %s", repository, error)
        if isinstance(error, errors.SessionExpired):
            boto.renew_sessions()
        if not isinstance(error, errors.TemporaryError):
            Repository.objects.filter(pk=pk).update(images_due_at=_next_reading())
        return
    known = dict(repository.images.values_list("digest", "platforms"))
    platforms = _platforms(gateway, repository, told, known)
    rows = [
        Image(
            repository=repository,
            digest=image.digest,
            tags=sorted(image.tags, key=_telling),
            kind=KINDS.get(image.artifact_type, Image.Kind.OTHER),
            size_bytes=image.size_bytes,
            pushed_at=image.pushed_at,
            platforms=platforms.get(image.digest),
        )
        for image in told
    ]
    with transaction.atomic():
        # Of two readings that overlap, the one that began later knows better.
        older = Q(images_read_at__isnull=True) | Q(images_read_at__lt=began)
        at_hand = Repository.objects.filter(older, pk=pk)
        told_at = {"images_read_at": began, "images_due_at": _next_reading()}
        if at_hand.update(**told_at, newest_tag=_newest_tag(rows)):
            _replace(repository, rows)


def _next_reading() -> datetime:
    return timezone.now() + settings.IMAGES_EVERY


def _replace(repository: Repository, rows: list[Image]) -> None:
    repository.images.exclude(digest__in=[row.digest for row in rows]).delete()
    Image.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["repository", "digest"],
        update_fields=["tags", "kind", "size_bytes", "pushed_at", "platforms"],
    )


def _worth_showing(told: list[EcrImage]) -> list[EcrImage]:
    """The newest images that stand for themselves."""
    own = (image for image in told if not all(map(ABOUT_ANOTHER.fullmatch, image.tags)))
    return [image for _, image in zip(range(KEPT), own, strict=False)]


def _platforms(
    gateway: Gateway,
    repository: Repository,
    told: list[EcrImage],
    known: dict[str, list[str] | None],
) -> dict[str, list[str]]:
    """Digest → platforms. ECR is asked only for indexes that are not known yet: what a digest
    names never changes."""
    platforms = {image.digest: list[str]() for image in told if image.manifest_type not in INDEXES}
    platforms |= {digest: listed for digest, listed in known.items() if listed is not None}
    unknown = [image.digest for image in told if image.digest not in platforms]
    if not unknown:
        return platforms
    try:
        return platforms | gateway.platforms(repository.name, unknown)
    except errors.AwsError as error:
        log.warning("The platforms in %s could not be read: %s", repository, error)
        return platforms


def _newest_tag(rows: Sequence[Image]) -> str:
    """The tag to pull: of the newest image, or of the newest chart where there are no images."""
    kinds = [Image.Kind.IMAGE, Image.Kind.CHART, Image.Kind.OTHER]
    # They come in order of their age, and sorting keeps it.
    by_kind = sorted(rows, key=lambda row: kinds.index(Image.Kind(row.kind)))
    return str(by_kind[0].tags[0]) if by_kind else ""


def _telling(tag: str) -> tuple[bool, int, str]:
    """The order of an image's tags: versions first, the most exact of them before all."""
    return re.match(r"v?\d", tag) is None, -len(tag), tag
