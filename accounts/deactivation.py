"""What the vendor changes at an account holds for good, also if it is changed back."""

from typing import Any

from django.db.models.signals import pre_save

from accounts.models import User
from accounts.sessions import lifetime


def connect() -> None:
    """Receive the signal; called once, at the start."""
    pre_save.connect(end_what_was_under_way, sender=User)


def end_what_was_under_way(instance: User, **kwargs: Any) -> None:
    """An account that becomes active or inactive, or whose staff rights change, loses its sessions.
    One that is deactivated loses its password, too, and with it what depends on that: links to set
    a new one, codes by email, and sign-ins that wait for a second factor."""
    row = User.objects.filter(pk=instance.pk)
    rights = (instance.is_active, instance.is_staff, instance.is_superuser)
    before = row.values_list("is_active", "is_staff", "is_superuser").first()
    if before in (None, rights):
        return
    if not instance.is_active:
        instance.set_unusable_password()
        row.update(password=instance.password)
    lifetime.end_all(instance)
