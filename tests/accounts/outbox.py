"""What the outbox holds."""

from accounts.models import Email


def recipients(kind: str) -> list[str]:
    """The addresses to which an email of this kind is written, in the order of writing."""
    return list(Email.objects.filter(kind=kind).order_by("pk").values_list("to", flat=True))
