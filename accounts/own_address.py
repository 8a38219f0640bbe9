"""Which address is a person's own, whatever someone else may have done at the account lately."""

from allauth.account.models import EmailAddress
from django.db.models import QuerySet
from django.utils import timezone

from accounts import verification
from accounts.models import DOUBTED, FormerAddress, User


def remember(user: User, before: EmailAddress | None) -> None:
    """The primary address is no longer ``before``."""
    user.former_addresses.filter(replaced_at__lt=timezone.now() - DOUBTED).delete()
    if before:
        user.former_addresses.create(email=before.email, was_verified=before.verified)


def find(user: User) -> str:
    """The primary address of DOUBTED ago."""
    former = _former(user).first()
    return former.email if former else user.email


def all_of(user: User) -> list[str]:
    """To be told of what may be someone else's doing: the person reads one of them."""
    verified = EmailAddress.objects.filter(user=user, verified=True).order_by("pk")
    former = _former(user).values_list("email", flat=True)
    return list(dict.fromkeys([user.email, *former, *verified.values_list("email", flat=True)]))


def make_only(user: User, own: str) -> list[str]:
    """Leave the account no address but ``own``, which may have been removed from it; none, if it
    is another account's by now. Returns those that were removed."""
    mine = EmailAddress.objects.filter(user=user)
    removed = list(
        mine.exclude(email__iexact=own).order_by("email").values_list("email", flat=True)
    )
    if own != user.email:
        verification.make_way(own, but=user)
        mine.update(primary=False)
        if _is_another_accounts(own, user):
            # An address that stays with the account, though not as a row, still opens it.
            own = user.no_address
        else:
            was_verified = _former(user).filter(email=own, was_verified=True).exists()
            EmailAddress.objects.update_or_create(
                user=user,
                email=own,
                defaults={"primary": True},
                create_defaults={"primary": True, "verified": was_verified},
            )
        user.email = own
    mine.exclude(email__iexact=own).delete()
    user.former_addresses.all().delete()
    user.save(update_fields=["email"])
    return removed


def _former(user: User) -> QuerySet[FormerAddress]:
    """The oldest first."""
    since = timezone.now() - DOUBTED
    return user.former_addresses.filter(replaced_at__gt=since).order_by("replaced_at", "pk")


def _is_another_accounts(email: str, user: User) -> bool:
    addresses = EmailAddress.objects.filter(email__iexact=email, verified=True)
    others = User.objects.filter(email__iexact=email).exclude(pk=user.pk)
    return addresses.exclude(user=user).exists() or others.exists()
