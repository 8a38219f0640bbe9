"""What people do in a scenario."""

from collections.abc import Callable
from datetime import timedelta

from provisioning.desired.grants import placement_changed, product_changed
from provisioning.flows import Actor
from provisioning.flows.credentials import activate, deactivate, reissue
from provisioning.flows.customers import resume_customer, suspend_customer
from provisioning.flows.entitlements import approve, extend, request, resume, suspend, withdraw
from provisioning.flows.labels import add_label, remove_label
from provisioning.models import Entitlement, Product, Repository
from tests.faults.world import World

Act = Callable[[World], None]
WHY = "Any reason"


def grant(s: World) -> None:
    customer = s.customer()
    product = s.random.choice([s.cast.server, s.cast.reports])
    found = Entitlement.objects.open().filter(customer=customer, product=product).first()
    entitlement = found or request(customer, product, by=s.member(customer))
    starts_at = s.now + timedelta(minutes=s.random.choice([0, 0, 0, 30]))
    ends_at = s.random.choice([None, None, starts_at + timedelta(hours=1)])
    approve(entitlement, by=Actor(s.cast.sandra), starts_at=starts_at, ends_at=ends_at)


def grant_everything(s: World) -> None:
    customer = s.customer()
    for product in (s.cast.server, s.cast.reports):
        approve(request(customer, product, by=s.member(customer)), by=Actor(s.cast.sandra))


def withdraw_one(s: World) -> None:
    if found := s.entitlement():
        withdraw(found, by=Actor(s.cast.sandra), reason=WHY)


def leave(s: World) -> None:
    """Everything that a customer has is withdrawn."""
    for found in Entitlement.objects.open().filter(customer=s.customer()).order_by("pk"):
        withdraw(found, by=Actor(s.cast.sandra), reason=WHY)


def suspend_one(s: World) -> None:
    if found := s.entitlement():
        suspend(found, by=Actor(s.cast.sandra), reason=WHY)


def resume_one(s: World) -> None:
    if found := s.entitlement():
        resume(found, by=Actor(s.cast.sandra), reason=WHY)


def extend_one(s: World) -> None:
    if found := s.entitlement():
        end = s.now + timedelta(hours=s.random.choice([1, 5]))
        extend(found, by=Actor(s.cast.sandra), ends_at=end, reason=WHY)


def suspend_whole(s: World) -> None:
    suspend_customer(s.customer(), by=Actor(s.cast.sandra), reason=WHY)


def resume_whole(s: World) -> None:
    resume_customer(s.customer(), by=Actor(s.cast.sandra), reason=WHY)


def deactivate_key(s: World) -> None:
    if found := s.key():
        deactivate(found, by=Actor(s.cast.otto))


def activate_key(s: World) -> None:
    if found := s.key():
        activate(found, by=Actor(s.cast.otto))


def new_key(s: World) -> None:
    row = s.any_of(s.pull_users())
    if row:
        overlap = timedelta(minutes=s.random.choice([0, 30]))
        keys = [str(key) for key in row.access_keys.living()]
        chosen = keys[0] if keys else ""
        reissue(row, by=Actor(s.cast.otto), reason=WHY, overlap=overlap, key_to_delete=chosen)


def label(s: World) -> None:
    customer = s.customer()
    if found := customer.labels.first():
        remove_label(found, by=s.member(customer))
    else:
        add_label(customer, "ci", by=s.member(customer))


def move_placement(s: World) -> None:
    repository = s.any_of(Repository.objects.order_by("pk"))
    repository.placement = s.random.choice(["repository_policy", "user_policy"])
    repository.save(update_fields=["placement"])
    placement_changed(repository)


def change_product(s: World) -> None:
    product = Product.objects.get(pk=s.cast.reports.pk)
    agent = Repository.objects.get(name="acme/agent")
    if agent in product.repositories.all():
        product.repositories.remove(agent)
    else:
        product.repositories.add(agent)
    product_changed(product)


ACTIONS: list[Act] = [
    grant,
    grant,
    grant,
    withdraw_one,
    leave,
    suspend_one,
    resume_one,
    extend_one,
    suspend_whole,
    resume_whole,
    deactivate_key,
    activate_key,
    new_key,
    label,
    move_placement,
    change_product,
]
# What must be done soon, also where AWS refuses at first: drawn more often while it does.
TAKING_AWAY: list[Act] = [withdraw_one, withdraw_one, withdraw_one, leave, leave, suspend_one]
