"""A process with the portal loaded, which forks a worker for each command: real processes
with a database of their own, that can be killed, and that start in no time.

Commands come as lines of JSON, ``[verb, *arguments]``; for each, the worker's pid is told at
once, then how it ended: its exit status and its result.
"""

import json
import os
import random
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


def main() -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    let_go()
    tell("ready")
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            work(verb, arguments, writing)
        os.close(writing)
        tell(pid)
        with os.fdopen(reading) as pipe:
            result = pipe.read()
        _, status = os.waitpid(pid, 0)
        tell([status, json.loads(result) if result else None])


def let_go() -> None:
    """A forked process must share no connection with its parent."""
    from django.db import connection

    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]


def tell(what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - it is how the test hears


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
    from provisioning.demo.cast import seed

    seed(endpoint_url=endpoint_url)


def approve() -> None:
    from accounts.models import Customer, User
    from provisioning.flows import By
    from provisioning.flows.decide import approve
    from provisioning.flows.request import request
    from provisioning.models import Product

    alice, sandra = (User.objects.get(name__startswith=name) for name in ("Alice", "Sandra"))
    customer = Customer.objects.get(slug="birch-bank")
    approve(request(customer, Product.objects.get(slug="server"), by=By(alice)), by=By(sandra))


def withdraw() -> None:
    from accounts.models import User
    from provisioning.flows import By
    from provisioning.flows.decide import withdraw
    from provisioning.models import Entitlement

    sandra = User.objects.get(name__startswith="Sandra")
    withdraw(Entitlement.objects.get(), by=By(sandra), reason="Contract ended")


def reissue() -> None:
    from accounts.models import User
    from provisioning.flows import By
    from provisioning.flows.reissue import reissue
    from provisioning.models import PullUser

    reissue(PullUser.objects.get(), by=By(User.objects.get(name__startswith="Otto")), reason="Any")


def reveal() -> list[str]:
    from accounts.models import User
    from provisioning.flows import By
    from provisioning.flows.reveal import reveal
    from provisioning.models import PullUser

    alice = User.objects.get(name__startswith="Alice")
    shown = reveal(PullUser.objects.get(), by=By(alice))
    return [shown.access_key_id, shown.secret_access_key]


def turns() -> None:
    from tests.turns import take_turns

    take_turns()


def recover() -> None:
    """Two minutes pass: the leases of the dead run out, and everything is tried again."""
    from provisioning.models import PullUser, Registry, Repository
    from tests.turns import long_ago, settle_down

    for model in (PullUser, Repository, Registry):
        model._default_manager.update(lease_until=None)
    long_ago()
    settle_down()


def sweep() -> None:
    """As ``recover``, but it is left to Celery's worker to take the turns."""
    from django.utils import timezone

    from provisioning import tasks
    from provisioning.models import PullUser, Registry, Repository
    from tests.turns import long_ago

    for model in (PullUser, Repository, Registry):
        late = model._default_manager.filter(due_at__isnull=False)
        late.update(lease_until=None, due_at=timezone.now())
    long_ago()
    tasks.sweep()


def state() -> dict[str, Any]:
    from provisioning.models import AccessKey, Grant, PullUser, Repository

    return {
        "keys": list(AccessKey.objects.living().values_list("access_key_id", flat=True)),
        "sealed": AccessKey.objects.current().filter(secret__sealed__isnull=False).count(),
        "grants": sorted(Grant.objects.values_list("status", flat=True)),
        "users": list(PullUser.objects.values_list("status", flat=True)),
        "troubled": PullUser.objects.exclude(failures=0, attention="").count()
        + Repository.objects.exclude(failures=0, attention="").count(),
    }


# --- Eight at once -----------------------------------------------------------------


def race(processes: int, rounds: int) -> list[int]:
    """Deeds and turns of the same rows by so many processes. Returns their exit statuses."""
    let_go()
    pids = []
    for number in range(processes):
        pid = os.fork()
        if pid == 0:
            try:
                _do_anything(random.Random(number), rounds)  # noqa: S311 - repeatable
            except BaseException:  # noqa: BLE001 - the forked worker must end here
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    return [os.waitpid(pid, 0)[1] for pid in pids]


def _do_anything(chance: random.Random, rounds: int) -> None:
    from accounts.models import Customer, User
    from provisioning import reconcile
    from provisioning.flows import By, Refused
    from provisioning.flows.decide import approve, withdraw
    from provisioning.flows.reissue import reissue
    from provisioning.flows.request import request
    from provisioning.models import Entitlement, Product, PullUser, Repository
    from tests.turns import due

    by = {
        name: By(User.objects.get(name__startswith=name))
        for name in ("Alice", "Charlie", "Sandra", "Otto")
    }
    for _ in range(rounds):
        customer, member = chance.choice([("birch-bank", "Alice"), ("cedar-clinic", "Charlie")])
        row = Customer.objects.get(slug=customer)
        product = Product.objects.get(slug="server")
        try:
            match chance.randrange(8):
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
                        reconcile.repository_turn(pk)
                case _:
                    for pk in due(PullUser):
                        reconcile.pull_user_turn(pk)
        except Refused:
            pass


def agree() -> list[str]:
    from provisioning.models import Grant, PullUser

    return [str(row) for row in (*PullUser.objects.unsettled(), *Grant.objects.unsettled())]


def wanted() -> dict[str, list[str]]:
    from provisioning.models import Grant, Repository

    return {
        row.name: sorted(
            Grant.objects.filter(repository=row, wanted="present").values_list(
                "pull_user__arn", flat=True
            )
        )
        for row in Repository.objects.all()
    }


if __name__ == "__main__":
    main()
