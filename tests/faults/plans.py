"""On a PostgreSQL with many customers: which statements of what runs again and again read a whole
table. Run in a worker of the zygote."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

# Customers, whose rows are more than PostgreSQL would read without an index.
MANY = 5_000
# Of the audit log: more than the check looks at, and where their ids begin.
LINES, FIRST = 100_000, 1_000_000
LINES_OF_YEARS = """
    INSERT INTO accounts_auditevent (id, at, action, actor_label, subject, changes, reason)
    SELECT n, now(), 'retried', 'Otto', '', '', '' FROM generate_series(%s, %s) n"""
LINKS_OF_YEARS = """
    INSERT INTO accounts_chainlink (number, event_id, previous, hash)
    SELECT n, n, n, n FROM generate_series(%s, %s) n"""
LARGE = {
    "accounts_auditevent",
    "accounts_chainlink",
    "accounts_customer",
    "accounts_email",
    "accounts_membership",
    "accounts_user",
    "provisioning_accesskey",
    "provisioning_drift",
    "provisioning_entitlement",
    "provisioning_grant",
    "provisioning_label",
    "provisioning_onetimesecret",
    "provisioning_pulluser",
    "provisioning_stepattempt",
}


def seed_many(number: int = MANY, first: int = 0) -> None:
    """Customers who have everything and for whom nothing is due, beside the cast; with numbers from
    ``first``."""
    from django.db import connection, transaction
    from django.utils import timezone

    from accounts.actor import Actor
    from accounts.audit import chain
    from accounts.audit.log import Action, record
    from accounts.models import Customer, Email, Membership, User
    from provisioning.models import (
        AccessKey,
        Drift,
        Entitlement,
        Grant,
        Label,
        OneTimeSecret,
        Product,
        PullUser,
        Repository,
        StepAttempt,
    )

    now = timezone.now()
    product, sandra = Product.objects.get(slug="server"), User.objects.get(name__startswith="Sand")
    numbers = range(first, first + number)
    customers = Customer.objects.bulk_create(
        Customer(name=f"Customer {n}", slug=f"many-{n}") for n in numbers
    )
    people = User.objects.bulk_create(User(email=f"person-{n}@many.example") for n in numbers)
    Membership.objects.bulk_create(
        Membership(user=user, customer=customer, role="owner")
        for user, customer in zip(people, customers, strict=True)
    )
    Entitlement.objects.bulk_create(
        Entitlement(
            customer=customer,
            product=product,
            state="approved",
            requested_by=sandra,
            decided_by=sandra,
            decided_at=now,
            starts_at=now,
            ready_at=now,
        )
        for customer in customers
    )
    users = PullUser.objects.bulk_create(
        PullUser(
            customer=customer,
            account_id="123456789012",
            label="default",
            name=customer.slug,
            status="ready",
            user_id=f"AIDA{customer.pk:017d}",
            arn=f"arn:aws:iam::123456789012:user/ecr-portal/{customer.slug}",
            priority=3,
            due_at=now + timedelta(hours=6),
        )
        for customer in customers
    )
    Grant.objects.bulk_create(
        Grant(pull_user=user, repository=row, placement="user_policy", in_user_policy=True)
        for user in users
        for row in Repository.objects.filter(products=product)
    )
    keys = AccessKey.objects.bulk_create(
        AccessKey(pull_user=user, access_key_id=f"AKIA{user.pk:016d}", tested_at=now)
        for user in users
    )
    OneTimeSecret.objects.bulk_create(
        OneTimeSecret(access_key=key, revealed_at=now, revealed_by=sandra) for key in keys
    )
    StepAttempt.objects.bulk_create(
        StepAttempt(pull_user=user, step=step, outcome="done", ended_at=now)
        for user in users
        for step in ("ensure_pull_user", "ensure_access_key", "ensure_user_policy")
    )
    Drift.objects.bulk_create(
        Drift(kind="key_missing", pull_user=user, ended_at=now, ending="repaired") for user in users
    )
    Label.objects.bulk_create(Label(customer=customer, name="ci") for customer in customers)
    Email.objects.bulk_create(
        Email(kind="ready", to="x@many.example", customer=customer, sent_at=now, due_at=None)
        for customer in customers
    )
    with transaction.atomic():
        for customer in customers:
            record(Action.APPROVED, "Acme Server", by=Actor(sandra), customer=customer)
    chain.link(2 * number)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def seed_log_of_years() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for years in (LINES_OF_YEARS, LINKS_OF_YEARS):
            cursor.execute(years, [FIRST, FIRST + LINES])
        cursor.execute("ANALYZE")


def whole_tables_read() -> list[str]:
    """What is done, the table, and the statement that reads all of it."""
    from django.db import connection

    found: list[str] = []
    with connection.cursor() as cursor:
        # As on a solid-state disk: an index is used wherever there is one.
        cursor.execute("SET random_page_cost = 1.1")
    for name, act in _actions().items():
        watch = _Watch(name, found)
        with connection.execute_wrapper(watch):
            act()
        assert watch.statements, f"{name} asked the database nothing"
    return found


class _Watch:
    """Asks PostgreSQL how it would run each statement."""

    def __init__(self, name: str, found: list[str]) -> None:
        self.name, self.found, self.statements, self._asks = name, found, 0, False

    def __call__(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if not self._asks and sql.startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            self._asks = True
            self.statements += 1
            cursor = context["connection"].cursor()
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            plan = cursor.fetchone()[0]
            self._asks = False
            for node in _nodes(plan if isinstance(plan, list) else json.loads(plan)):
                table = node.get("Relation Name")
                if node["Node Type"] == "Seq Scan" and table in LARGE:
                    self.found.append(f"{self.name}: {table}: {sql[:300]}")
        return execute(sql, params, many, context)


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    for each in plan:
        node = each.get("Plan", each)
        yield node
        yield from _nodes(node.get("Plans", []))


def _actions() -> dict[str, Callable[[], None]]:
    from urllib.parse import urlsplit

    from django.conf import settings
    from django.test import Client
    from django.utils import timezone

    from accounts import clock
    from accounts.audit import chain
    from accounts.emails import delivery
    from accounts.models import Customer, User
    from provisioning import reconciler, tasks
    from provisioning.flows import Actor
    from provisioning.flows.entitlements import approve, prepare, withdraw
    from provisioning.models import Entitlement, Priority, Product, PullUser, Repository
    from provisioning.reconciler.closure import record_closures

    sandra = Actor(User.objects.get(name__startswith="Sandra"))
    alice = User.objects.get(name__startswith="Alice")
    birch = PullUser.objects.get(name="birch-bank")
    server = Repository.objects.get(name="acme/server")
    cedar = Customer.objects.get(slug="cedar-clinic")

    def take(model: Any, pk: int, turn: Callable[[int], None]) -> None:
        model._default_manager.filter(pk=pk).update(due_at=timezone.now())
        turn(pk)

    def buy() -> None:
        bought = Entitlement(customer=cedar, product=Product.objects.get(slug="server"))
        prepare(bought, by=sandra)
        approve(bought, by=sandra)

    def show(address: str) -> None:
        browser = Client(headers={"host": urlsplit(settings.ORIGIN).netloc})
        browser.force_login(alice)
        assert browser.get(address).status_code == 200

    entitlement = Entitlement.objects.get(customer__slug="birch-bank")
    return {
        "approval": buy,
        "turn of a new pull user": lambda: reconciler.pull_user_turn(
            PullUser.objects.get(customer=cedar).pk
        ),
        "turn of a repository with a new grant": lambda: take(
            Repository, server.pk, reconciler.repository_turn
        ),
        "withdrawal": lambda: withdraw(
            Entitlement.objects.get(customer=cedar), by=sandra, reason="Any"
        ),
        "quiet turn of a pull user": lambda: take(PullUser, birch.pk, reconciler.pull_user_turn),
        "quiet turn of a repository": lambda: take(
            Repository, server.pk, reconciler.repository_turn
        ),
        "sweep": tasks.sweep,
        "closures": record_closures,
        "lost messages": lambda: tasks.release_lost(clock.now().isoformat(), Priority.URGENT),
        "emails": delivery.send_due,
        "links of the audit log": lambda: chain.link(1_000),
        "check of the audit log": chain.watch,
        "home of a customer": lambda: show("/"),
        "page of a product": lambda: show(f"/access/{entitlement.pk}/"),
    }
