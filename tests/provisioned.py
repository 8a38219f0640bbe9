"""What the reconciler records once AWS has everything that is desired, recorded without an AWS."""

from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import Customer
from provisioning import vault
from provisioning.demo.seed import Cast
from provisioning.models import (
    AccessKey,
    Grant,
    OneTimeSecret,
    PullUser,
    Repository,
)
from provisioning.states import Desired, KeyStatus, Status

# In the form of AWS's own example.
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def provision(customer: Customer) -> PullUser:
    """Record that everything desired for the customer is in AWS, with a key whose secret is
    stored."""
    pull_user = customer.pull_users.get()
    pull_user.arn = f"arn:aws:iam::{pull_user.account_id}:user/ecr-portal/{pull_user.name}"
    pull_user.user_id, pull_user.status, pull_user.due_at = "AIDAEXAMPLE", Status.READY, None
    pull_user.save()
    if not pull_user.access_keys.current().exists():
        add_key(pull_user)
    grants = Grant.objects.filter(pull_user=pull_user, desired=Desired.PRESENT)
    grants.update(in_repository_policy=True, changed_at=timezone.now())
    Repository.objects.filter(grants__in=grants).update(due_at=None, newest_tag="1.1")
    Repository.objects.filter(grants__in=grants).update(images_read_at=timezone.now())
    return pull_user


def add_key(pull_user: PullUser, secret: str = SECRET) -> AccessKey:
    number = AccessKey.objects.count() + 1
    key = AccessKey.objects.create(
        pull_user=pull_user,
        access_key_id=f"AKIAEXAMPLE{number}",
        tested_at=timezone.now(),
    )
    vault.store(secret, access_key=key)
    return key


def end(customer: Customer) -> None:
    """Record that AWS has nothing left of what the customer no longer should have."""
    Grant.objects.filter(pull_user__customer=customer, desired=Desired.ABSENT).update(
        in_repository_policy=False
    )
    PullUser.objects.filter(customer=customer, desired=Desired.ABSENT).update(status=Status.GONE)
    AccessKey.objects.filter(pull_user__customer=customer, desired=KeyStatus.DELETED).update(
        status=KeyStatus.DELETED
    )


# --- The history of a key ------------------------------------------------------------


def days(number: float) -> datetime:
    """The moment that many days from now."""
    return timezone.now() + timedelta(days=number)


def collect(cast: Cast, key: AccessKey, at: datetime) -> None:
    """Record that Alice revealed the key's secret at that moment."""
    secrets = OneTimeSecret.objects.filter(access_key=key)
    secrets.update(ciphertext=None, revealed_at=at, revealed_by=cast.alice)


def change(key: AccessKey, **changes: object) -> None:
    """Write to the key's row."""
    AccessKey.objects.filter(pk=key.pk).update(**changes)
