"""Which address is a person's own, whatever someone else may have done at the account lately."""

from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts import verification
from accounts.audit.models import Action
from accounts.models import DOUBTED, AuditEvent, User


def remember(user: User, before: EmailAddress | None) -> None:
    """The primary address is no longer ``before``: the first change in DOUBTED is kept."""
    if before and before.verified and not _changed_lately(user):
        user.email_before, user.email_changed_at = before.email, timezone.now()
        user.save(update_fields=["email_before", "email_changed_at"])


def find(user: User, used: str) -> str:
    """The primary address of before DOUBTED. Where it is still the primary one: the address that
    the session has ``used`` to sign in, unless that was added meanwhile."""
    if _changed_lately(user):
        return user.email_before
    verified = EmailAddress.objects.filter(user=user, verified=True, email__iexact=used).first()
    return verified.email if verified and not _was_added_lately(verified) else user.email


def all_of(user: User) -> list[str]:
    """To be told of what may be someone else's doing: the person reads one of them."""
    verified = EmailAddress.objects.filter(user=user, verified=True).order_by("pk")
    before = [user.email_before] if _changed_lately(user) else []
    return list(dict.fromkeys([user.email, *before, *verified.values_list("email", flat=True)]))


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
            EmailAddress.objects.update_or_create(
                user=user, email=own, defaults={"primary": True, "verified": True}
            )
        user.email = own
    mine.exclude(email__iexact=own).delete()
    user.email_before, user.email_changed_at = "", None
    user.save(update_fields=["email", "email_before", "email_changed_at"])
    return removed


def _changed_lately(user: User) -> bool:
    return user.email_changed_at is not None and user.email_changed_at > timezone.now() - DOUBTED


def _was_added_lately(address: EmailAddress) -> bool:
    """The lines are those of ``accounts.account_events``."""
    words = [f"email address {address.email} {what}" for what in ("added", "verified")]
    lately = AuditEvent.objects.filter(
        actor=address.user_id, action=Action.CHANGED_SIGN_IN, at__gt=timezone.now() - DOUBTED
    )
    return lately.filter(subject__in=words).exists()


def _is_another_accounts(email: str, user: User) -> bool:
    addresses = EmailAddress.objects.filter(email__iexact=email, verified=True)
    others = User.objects.filter(email__iexact=email).exclude(pk=user.pk)
    return addresses.exclude(user=user).exists() or others.exists()
