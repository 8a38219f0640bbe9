"""What the reconciler writes down when AWS has done it all, written without an AWS."""

from django.utils import timezone

from accounts.models import Customer
from provisioning import vault
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import approve
from provisioning.flows.request import request
from provisioning.models import AccessKey, Entitlement, Grant, Product, PullUser, Repository

# In the form of AWS's own example.
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def approved(cast: Cast, product: Product | None = None) -> Entitlement:
    """Birch Bank's, asked for by Alice and approved by Sandra."""
    entitlement = request(cast.birch, product or cast.server, by=By(cast.alice))
    approve(entitlement, by=By(cast.sandra))
    return entitlement


def provision(customer: Customer) -> PullUser:
    """Everything wanted for the customer is there, with a key whose secret is sealed."""
    pull_user = customer.pull_users.get()
    pull_user.arn = f"arn:aws:iam::{pull_user.account_id}:user/ecr-portal/{pull_user.name}"
    pull_user.user_id, pull_user.status, pull_user.due_at = "AIDAEXAMPLE", "ready", None
    pull_user.save()
    if not pull_user.access_keys.current().exists():
        add_key(pull_user)
    grants = Grant.objects.filter(pull_user=pull_user, wanted="present")
    grants.update(status="ready", in_repository_policy=True, changed_at=timezone.now())
    Repository.objects.filter(grants__in=grants).update(due_at=None, newest_tag="1.1")
    Repository.objects.filter(grants__in=grants).update(images_read_at=timezone.now())
    return pull_user


def add_key(pull_user: PullUser, secret: str = SECRET) -> AccessKey:
    number = AccessKey.objects.count() + 1
    key = AccessKey.objects.create(
        pull_user=pull_user,
        access_key_id=f"AKIAEXAMPLE{pull_user.pk}K{number}",
        tested_at=timezone.now(),
    )
    vault.seal(secret, access_key=key)
    return key


def end(customer: Customer) -> None:
    """Everything unwanted of the customer's is gone."""
    Grant.objects.filter(pull_user__customer=customer, wanted="absent").update(
        status="gone", in_repository_policy=False
    )
    PullUser.objects.filter(customer=customer, wanted="absent").update(status="gone")
    AccessKey.objects.filter(pull_user__customer=customer, wanted="Deleted").update(
        status="Deleted"
    )
