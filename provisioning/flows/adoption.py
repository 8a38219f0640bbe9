"""What it means, in the database, to leave a difference as AWS has it.

After a restore AWS is often right, and the database old: what customers have there was approved,
created or withdrawn after the backup. Nothing here calls AWS, and customers get no emails: they
had them when it happened.
"""

from collections.abc import Callable
from datetime import datetime

from django.db.models import Q

from accounts import clock
from accounts.audit.log import Action, record
from accounts.models import Customer
from provisioning import vault
from provisioning.desired.grants import sync_grants
from provisioning.documents import names
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import OVERLAP
from provisioning.flows.entitlements import record_decision
from provisioning.models import (
    AccessKey,
    Drift,
    Entitlement,
    Label,
    Product,
    PullUser,
    Repository,
)
from provisioning.models.access_key import AccessKeyQuerySet
from provisioning.models.drift import DriftKind
from provisioning.models.entitlement import EntitlementQuerySet
from provisioning.states import EntitlementState, KeyStatus, move

FOUND = "Found in AWS after a backup was restored."


def adopt(drift: Drift, *, by: Actor, reason: str) -> None:
    """Make the database agree with AWS about one difference, where that takes more than to leave
    it alone. Call it in a transaction. Raises Refused."""
    if drift.kind in ADOPTIONS:
        ADOPTIONS[DriftKind(drift.kind)](drift, by, reason)


# --- Keys ----------------------------------------------------------------------------


def _key(drift: Drift) -> AccessKeyQuerySet:
    return AccessKey.objects.filter(access_key_id=drift.subject)


def _deactivate_key(drift: Drift, by: Actor, reason: str) -> None:
    _key(drift).update(desired=KeyStatus.INACTIVE)


def _activate_key(drift: Drift, by: Actor, reason: str) -> None:
    _key(drift).update(desired=KeyStatus.ACTIVE, written=KeyStatus.ACTIVE)


def _offer_untested_key(drift: Drift, by: Actor, reason: str) -> None:
    """It is offered although AWS has not accepted it."""
    _key(drift).update(tested_at=clock.now())


def _take_over_key(drift: Drift, by: Actor, reason: str) -> None:
    """Nobody is cut off: of the user's keys the newest is its current one, and each other works on
    for OVERLAP at least. Its secret was revealed in a time that the database does not know."""
    user = _user(drift)
    now, created_at = clock.now(), datetime.fromisoformat(drift.facts["created_at"])
    status = KeyStatus(drift.facts["status"])
    current = user.access_keys.current().first()
    is_newest = current is None or current.created_at < created_at
    if current is not None and is_newest:
        user.access_keys.filter(pk=current.pk).update(retires_at=now + OVERLAP)
    key = AccessKey.objects.create(
        pull_user=user,
        access_key_id=drift.subject,
        desired=status,
        status=status,
        written=status,
        created_at=created_at,
        retires_at=None if is_newest else now + OVERLAP,
        tested_at=now,
        adopted_at=now,
    )
    vault.store_none(access_key=key)


# --- Entitlements --------------------------------------------------------------------


def _entitle(drift: Drift, by: Actor, reason: str) -> None:
    """Approve, as was done after the backup, what opens the repository to the customer."""
    name, repository = drift.user_name, _repository(drift)
    slug, label = names.split_user_name(name)
    customer = Customer.objects.filter(slug=slug).first()
    if customer is None:
        raise Refused(
            f"The portal has no customer with the short name {slug}. An administrator can add it "
            "under Customers in the admin; then adopt this again."
        )
    customer.lock()
    if customer.suspended_at:
        raise Refused(f"{customer} is suspended. Sales can resume it; then this is no difference.")
    if label != names.DEFAULT_LABEL:
        _, is_new = Label.objects.get_or_create(customer=customer, name=label)
        if is_new:
            record(Action.LABELLED, label, by=by, customer=customer, reason=reason)
    of_customer = Entitlement.objects.filter(customer=customer)
    if not of_customer.live().filter(product__repositories=repository).exists():
        _approve(customer, _product(customer, name, repository), by, reason)
    sync_grants(customer, ignore_capacity=True)


def _repository(drift: Drift) -> Repository:
    """Of a repository's policy, or the one that a user's own policy names."""
    found = drift.repository or _by_arn().get(drift.subject)
    if found is not None:
        return found
    raise Refused(
        f"The portal does not know the repository {drift.subject}. An administrator can add it to "
        "a product in the admin."
    )


def _by_arn() -> dict[str, Repository]:
    return {row.arn: row for row in Repository.objects.select_related("registry")}


def _product(customer: Customer, user_name: str, repository: Repository) -> Product:
    """The product that was approved: all of its repositories are open to the user in AWS."""
    products = Product.objects.filter(repositories=repository)
    open_ = _open_in_aws(user_name)
    found = [
        product
        for product in products.prefetch_related("repositories")
        if {each.pk for each in product.repositories.all()} <= open_
    ]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(str(product) for product in found or products) or "no product"
    raise Refused(
        f"It is not clear what opened {repository} to {customer}: {listed}. Sales can approve the "
        "right product, or an administrator can change its repositories; then this is no "
        "difference."
    )


def _open_in_aws(user_name: str) -> set[int]:
    """The repositories, by primary key, that AWS was seen to open to the user."""
    granted = PullUser.objects.filter(name=user_name, grants__in_repository_policy=True)
    known = granted.values_list("grants__repository_id", flat=True)
    unknown = Drift.objects.open().filter(kind=Drift.Kind.GRANT_UNKNOWN)
    in_policies = unknown.filter(subject__endswith=f"/{user_name}", repository__isnull=False)
    by_arn = _by_arn()
    in_own = unknown.filter(pull_user__name=user_name).values_list("subject", flat=True)
    return {
        *known,
        *in_policies.values_list("repository_id", flat=True),
        *(by_arn[arn].pk for arn in in_own if arn in by_arn),
    }


def _approve(customer: Customer, product: Product, by: Actor, reason: str) -> None:
    now = clock.now()
    open_ = Entitlement.objects.open().filter(customer=customer, product=product).first()
    if open_ is not None and open_.state != EntitlementState.REQUESTED:
        raise Refused(
            f"{open_} is {open_.get_state_display().lower()} in the portal, and gives no access "
            "now. Sales can change that; then this is no difference."
        )
    entitlement = open_ or Entitlement(customer=customer, product=product, requested_by=by.user)
    entitlement.state = EntitlementState.APPROVED
    entitlement.decided_by, entitlement.decided_at = by.user, now
    entitlement.decision_note = FOUND
    entitlement.starts_at = entitlement.due_at = now
    entitlement.save()
    record_decision(Action.APPROVED, entitlement, by=by, reason=reason)


def _withdraw(drift: Drift, by: Actor, reason: str) -> None:
    """End what the customer was approved and AWS no longer has."""
    user = _user(drift)
    customer = user.customer
    customer.lock()
    if user.label != names.DEFAULT_LABEL and drift.kind == Drift.Kind.USER_MISSING:
        customer.labels.filter(name=user.label).delete()
        record(Action.UNLABELLED, user.label, by=by, customer=customer, reason=reason)
        sync_grants(customer)
        return
    for entitlement in _that_need(drift, user):
        _refuse_partly_open(entitlement, user)
        move(
            entitlement,
            EntitlementState.WITHDRAWN,
            field="state",
            ended_at=clock.now(),
            due_at=None,
        )
        record_decision(Action.WITHDREW, entitlement, by=by, reason=reason)
    sync_grants(customer)


def _user(drift: Drift) -> PullUser:
    user = drift.pull_user or PullUser.objects.filter(arn=drift.subject).first()
    if user is None:
        raise Refused("This difference no longer exists.")
    return user


def _that_need(drift: Drift, user: PullUser) -> EntitlementQuerySet:
    started = Entitlement.objects.filter(customer=user.customer).live()
    if drift.kind == Drift.Kind.USER_MISSING:
        accounts = started.filter(product__repositories__registry__account_id=user.account_id)
        return accounts.distinct()
    return started.filter(product__repositories=_repository(drift))


def _refuse_partly_open(entitlement: Entitlement, user: PullUser) -> None:
    """Raise Refused where AWS still opens another repository of the product: then the product has
    changed, and not what the customer has."""
    open_ = Q(in_repository_policy=True) | Q(in_user_policy=True)
    if user.grants.filter(open_, repository__products=entitlement.product).exists():
        raise Refused(
            f"AWS still opens a part of {entitlement.product} to {entitlement.customer}. Where a "
            "repository was taken out of the product, an administrator can do that again; "
            "otherwise repair this, or withdraw the entitlement."
        )


# What changes the database. Any other difference is left alone, and can be decided again.
ADOPTIONS: dict[DriftKind, Callable[[Drift, Actor, str], None]] = {
    DriftKind.KEY_STATUS: _deactivate_key,
    DriftKind.KEY_ACTIVATED: _activate_key,
    DriftKind.KEY_UNUSABLE: _offer_untested_key,
    DriftKind.KEY_UNKNOWN: _take_over_key,
    DriftKind.GRANT_UNKNOWN: _entitle,
    DriftKind.GRANT_MISSING: _withdraw,
    DriftKind.USER_MISSING: _withdraw,
}
