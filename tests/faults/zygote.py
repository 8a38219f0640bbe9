"""A process that has loaded the portal and forks a worker for each command: real processes,
which start at once, have a database of their own and can be killed.

Commands are lines of JSON, ``[verb, *arguments]``. The answers to each are two lines: the
worker's pid, at once; then its exit status and its result.
"""

import json
import os
import random
import sys
from typing import Any

import django

from tests.faults.plans import seed_log_of_years, seed_many, whole_tables_read  # noqa: F401 - verbs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


def main() -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    load_what_workers_need()
    close_connections()
    answer("ready")
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            work(verb, arguments, writing)
        os.close(writing)
        answer(pid)
        with os.fdopen(reading) as pipe:
            result = pipe.read()
        _, status = os.waitpid(pid, 0)
        answer([status, json.loads(result) if result else None])


def load_what_workers_need() -> None:
    """Modules, addresses, and botocore's descriptions of the services: loaded once, not in each
    worker."""
    from django.urls import reverse

    import tests.worker  # noqa: F401
    from provisioning.aws import boto
    from provisioning.models import Registry

    reverse("customer:home")
    boto.connect(Registry(account_id="1" * 12, region="eu-central-1"))
    boto.renew_sessions()


def close_connections() -> None:
    """A forked process must not share a connection with its parent."""
    from django.db import connection

    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]


def answer(content: Any) -> None:
    print(json.dumps(content), flush=True)  # noqa: T201 - the test reads it


def work(verb: str, arguments: list[Any], writing: int) -> None:
    try:
        result = globals()[verb](*arguments)
        os.write(writing, json.dumps(result).encode())
    except BaseException:  # noqa: BLE001 - the forked worker must end here
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


# --- Verbs -------------------------------------------------------------------------


def seed(endpoint_url: str) -> None:
    from provisioning.demo.seed import seed

    seed(endpoint_url=endpoint_url)


def approve() -> None:
    from accounts.models import Customer, User
    from provisioning.flows import Actor
    from provisioning.flows.entitlements import approve, request
    from provisioning.models import Product

    alice, sandra = (User.objects.get(name__startswith=name) for name in ("Alice", "Sandra"))
    customer = Customer.objects.get(slug="birch-bank")
    approve(
        request(customer, Product.objects.get(slug="server"), by=Actor(alice)), by=Actor(sandra)
    )


def withdraw() -> None:
    from accounts.models import User
    from provisioning.flows import Actor
    from provisioning.flows.entitlements import withdraw
    from provisioning.models import Entitlement

    sandra = User.objects.get(name__startswith="Sandra")
    withdraw(Entitlement.objects.get(), by=Actor(sandra), reason="Contract ended")


def reissue() -> None:
    from accounts.models import User
    from provisioning.flows import Actor
    from provisioning.flows.credentials import reissue
    from provisioning.models import PullUser

    reissue(
        PullUser.objects.get(), by=Actor(User.objects.get(name__startswith="Otto")), reason="Any"
    )


def reveal() -> list[str]:
    from accounts.models import User
    from provisioning.flows import Actor
    from provisioning.flows.credentials import reveal
    from provisioning.models import PullUser

    alice = User.objects.get(name__startswith="Alice")
    shown = reveal(PullUser.objects.get(), by=Actor(alice))
    return [shown.access_key_id, shown.secret_access_key]


def turns() -> None:
    from tests.worker import take_turns

    take_turns()


def recover() -> None:
    """As if minutes passed: the leases of dead workers run out, and everything is retried."""
    from django.utils import timezone

    from provisioning import tasks
    from provisioning.models import Priority, PullUser, Registry, Repository
    from tests.worker import long_ago, run_until_settled

    for model in (PullUser, Repository, Registry):
        model._default_manager.update(lease_until=None)
    # The messages that the dead workers had received are lost.
    for priority in Priority:
        tasks.release_lost((timezone.now() + tasks.TO_CLAIM).isoformat(), priority)
    long_ago()
    run_until_settled()


def sweep() -> None:
    """As ``recover``, but Celery's worker takes the turns."""
    from django.utils import timezone

    from provisioning import tasks
    from provisioning.models import PullUser, Registry, Repository
    from tests.worker import long_ago

    for model in (PullUser, Repository, Registry):
        late = model._default_manager.filter(due_at__isnull=False)
        late.update(lease_until=None, due_at=timezone.now())
    long_ago()
    tasks.sweep()


def state() -> dict[str, Any]:
    from provisioning.models import AccessKey, Grant, PullUser, Repository

    return {
        "keys": list(AccessKey.objects.living().values_list("access_key_id", flat=True)),
        "unrevealed": AccessKey.objects.current().filter(secret__ciphertext__isnull=False).count(),
        "grants": sorted(Grant.objects.values_list("status", flat=True)),
        "users": list(PullUser.objects.values_list("status", flat=True)),
        "failing": PullUser.objects.exclude(failures=0, attention="").count()
        + Repository.objects.exclude(failures=0, attention="").count(),
    }


# --- A restore ---------------------------------------------------------------------


def let_time_pass() -> None:
    """Until the epoch is counted on."""
    from datetime import timedelta

    from django.utils import timezone

    from provisioning.models import Installation, Registry

    before = timezone.now() - timedelta(hours=1)
    Installation.objects.update(epoch_at=before)
    Registry.objects.update(epoch_at=before, due_at=timezone.now())
    recover()


def evening() -> list[str]:
    """After the backup: Birch Bank rotates its key, the first further customer does not pay, and
    another one buys. Returns Birch Bank's new key."""
    from accounts.models import Customer, User
    from provisioning.flows import Actor
    from provisioning.flows.credentials import reveal, rotate
    from provisioning.flows.entitlements import approve, prepare, withdraw
    from provisioning.models import Entitlement, Product, PullUser
    from tests.worker import run_until_settled

    alice, sandra = (Actor(User.objects.get(name__startswith=name)) for name in ("Alice", "Sandra"))
    birch = PullUser.objects.get(name="birch-bank")
    reveal(birch, by=alice)
    rotate(birch, by=alice)
    entitlement = Entitlement.objects.get(customer__slug="customer-0")
    withdraw(entitlement, by=sandra, reason="Does not pay")
    late = Customer.objects.create(name="Delta Dental", slug="delta-dental")
    bought = Entitlement(customer=late, product=Product.objects.get(slug="server"))
    prepare(bought, by=sandra)
    approve(bought, by=sandra)
    run_until_settled()
    shown = reveal(birch, by=alice)
    return [shown.access_key_id, shown.secret_access_key]


def held() -> dict[str, Any]:
    from provisioning.models import Drift, Installation

    differences = Drift.objects.open()
    return {
        "is_held": Installation.get().held_at is not None,
        "differences": sorted({f"{row.kind} {row.user_name}" for row in differences}),
    }


def adopt(*kinds: str) -> None:
    """Otto adds the customer that the database does not know, and leaves what is of these kinds
    as AWS has it."""
    from accounts.models import Customer, User
    from provisioning.flows import Actor
    from provisioning.flows.drift import resolve_drift
    from provisioning.models import Drift

    Customer.objects.get_or_create(slug="delta-dental", defaults={"name": "Delta Dental"})
    otto = Actor(User.objects.get(name__startswith="Otto"))
    for drift in Drift.objects.open().filter(kind__in=kinds, choice=""):
        resolve_drift(drift, "adopt", by=otto, reason="As it was")
    recover()


def release() -> None:
    from accounts.models import User
    from provisioning.flows import Actor
    from provisioning.flows.hold import release

    release(by=Actor(User.objects.get(name__startswith="Otto")), reason="All decided")
    recover()


# --- Many at once ------------------------------------------------------------------


def approve_many(number: int, first: int = 0) -> None:
    """Acme Server, for this many customers, with numbers from ``first``."""
    from accounts.models import Customer, User
    from provisioning.flows import Actor
    from provisioning.flows.entitlements import approve, prepare
    from provisioning.models import Entitlement, Product

    sandra = Actor(User.objects.get(name__startswith="Sandra"))
    product = Product.objects.get(slug="server")
    for count in range(first, first + number):
        customer = Customer.objects.create(name=f"Customer {count}", slug=f"customer-{count}")
        entitlement = Entitlement(customer=customer, product=product)
        prepare(entitlement, by=sandra)
        approve(entitlement, by=sandra)


def approve_and_count(number: int) -> dict[str, float]:
    """For one more customer, with this number: how many SQL statements its approval and its turns
    need, and how many milliseconds of this process."""
    import time

    from django.db import connection

    from tests.worker import take_turns

    statements = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*arguments)

    began = time.process_time()
    with connection.execute_wrapper(count):
        approve_many(1, first=number)
        take_turns()
    return {"sql": statements, "cpu_ms": 1_000 * (time.process_time() - began)}


def seconds_to_ready() -> float:
    """From the newest approval to its being ready."""
    from provisioning.models import Entitlement

    newest = Entitlement.objects.filter(ready_at__isnull=False).latest("decided_at")
    return (newest.ready_at - newest.decided_at).total_seconds()  # type: ignore[operator]


def count_ready() -> int:
    from provisioning.models import Entitlement

    return Entitlement.objects.filter(ready_at__isnull=False).count()


# --- Eight at once -----------------------------------------------------------------


def race(processes: int, rounds: int) -> list[int]:
    """Run actions and turns on the same rows in this many processes. Returns their exit
    statuses."""
    close_connections()
    pids = []
    for number in range(processes):
        pid = os.fork()
        if pid == 0:
            try:
                _act_at_random(random.Random(number), rounds)  # noqa: S311 - repeatable
            except BaseException:  # noqa: BLE001 - the forked worker must end here
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    return [os.waitpid(pid, 0)[1] for pid in pids]


def _act_at_random(chance: random.Random, rounds: int) -> None:
    from accounts import clock
    from accounts.models import Customer, User
    from provisioning import reconciler, tasks
    from provisioning.flows import Actor, Refused
    from provisioning.flows.credentials import reissue
    from provisioning.flows.entitlements import approve, request, withdraw
    from provisioning.models import Entitlement, Priority, Product, PullUser, Repository
    from tests.worker import due

    by = {
        name: Actor(User.objects.get(name__startswith=name))
        for name in ("Alice", "Charlie", "Sandra", "Otto")
    }
    for _ in range(rounds):
        customer, member = chance.choice([("birch-bank", "Alice"), ("cedar-clinic", "Charlie")])
        row = Customer.objects.get(slug=customer)
        product = Product.objects.get(slug="server")
        try:
            match chance.randrange(10):
                case 0 | 1:
                    approve(request(row, product, by=by[member]), by=by["Sandra"])
                case 2:
                    found = Entitlement.objects.filter(customer=row, state="approved").first()
                    if found:
                        withdraw(found, by=by["Sandra"], reason="Any")
                case 3:
                    user = PullUser.objects.filter(customer=row).first()
                    if user:
                        reissue(user, by=by["Otto"], reason="Any")
                case 4 | 5:
                    for pk in due(Repository):
                        reconciler.repository_turn(pk)
                case 6:
                    _change_product(product, chance)
                case 7:
                    tasks.sweep()
                    for priority in Priority:
                        tasks.release_lost(clock.now().isoformat(), priority)
                case _:
                    for pk in due(PullUser):
                        reconciler.pull_user_turn(pk)
        except Refused:
            pass


def _change_product(product: Any, chance: random.Random) -> None:
    """As the admin does it: the repositories, then the word to the sweep, in one transaction."""
    from django.db import transaction

    from provisioning.desired.grants import product_changed
    from provisioning.models import Repository

    both = list(Repository.objects.filter(name__in=["acme/server", "acme/agent"]))
    with transaction.atomic():
        product.repositories.set(chance.choice([both, both[:1], both[1:]]))
        product_changed(product)


def not_as_approved() -> list[str]:
    """The customers whose grants are not those of their live entitlements."""
    from accounts.models import Customer
    from provisioning.models import Entitlement, Grant, Repository

    wrong = []
    for customer in Customer.objects.all():
        live = Entitlement.objects.live().filter(customer=customer)
        approved = set(Repository.objects.filter(products__entitlements__in=live))
        present = Grant.objects.filter(pull_user__customer=customer, desired="present")
        granted = {grant.repository for grant in present.select_related("repository")}
        if approved != granted:
            wrong.append(f"{customer}: {approved} approved, {granted} granted")
    return wrong


def unsettled() -> list[str]:
    """The rows for which AWS does not have what is desired."""
    from provisioning.models import Grant, PullUser

    return [str(row) for row in (*PullUser.objects.unsettled(), *Grant.objects.unsettled())]


def desired() -> dict[str, list[str]]:
    """Repository → the ARNs that its policy should name."""
    from provisioning.models import Grant, Repository

    return {
        row.name: sorted(
            Grant.objects.filter(repository=row, desired="present").values_list(
                "pull_user__arn", flat=True
            )
        )
        for row in Repository.objects.all()
    }


if __name__ == "__main__":
    main()
