"""Images in repositories, as if they had been read from ECR."""

from datetime import timedelta

from django.utils import timezone

from provisioning.models import Image, Repository

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def pushed(name: str, count: int, *, kind: Image.Kind = Image.Kind.IMAGE) -> Repository:
    """The repository with ``count`` images of two platforms each, the newest last."""
    repository = Repository.objects.get(name=name)
    now = timezone.now()
    Image.objects.bulk_create(
        Image(
            repository=repository,
            digest=digest(number),
            tags=[f"1.{number}"],
            kind=kind,
            size_bytes=5 * 1024 * 1024,
            pushed_at=now - timedelta(days=count - number),
            platforms=["linux/amd64", "linux/arm64/v8"],
        )
        for number in range(1, count + 1)
    )
    repository.newest_tag = f"1.{count}" if count else ""
    repository.images_read_at = now - timedelta(minutes=5)
    repository.save()
    return repository
