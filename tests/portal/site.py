"""The routes of the site, and a site that has a person in each role and a row for each address."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import get_resolver

from accounts.flows.invitations import invite
from accounts.models import Invitation, Membership, User
from provisioning.demo.seed import PASSWORD, Cast
from provisioning.flows import Actor
from provisioning.models import Drift, Entitlement, PullUser, Repository
from tests.entitlements import approved
from tests.images import pushed
from tests.provisioned import provision

# Addresses of routes whose patterns do not say what to fill in.
SAMPLES = {
    "account/oidc/^(?P<provider_id>[^/]+)/login/": "account/oidc/nowhere/login/",
    "account/oidc/^(?P<provider_id>[^/]+)/login/callback/": "account/oidc/nowhere/login/callback/",
    r"account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": (
        "account/password/reset/key/1-x/"
    ),
    "admin/apps": "admin/provisioning/",
    "admin/(?P<url>.*)$": "admin/nothing",
}


def routes() -> list[str]:
    """Every route. The admin's list of apps has a fixed name, so that new apps do not change it."""
    found = dict.fromkeys(_walk(get_resolver().url_patterns, ""))
    return [re.sub(r"admin/\^\(\?P<app_label>.*", "admin/apps", route) for route in found]


def _walk(patterns: Any, before: str) -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield route


@dataclass
class Site:
    """Birch Bank has Acme Server, ready and unrevealed, and there is a person in each role."""

    cast: Cast
    entitlement: Entitlement
    pull_user: PullUser
    people: dict[str, User | None]

    def address(self, route: str) -> str:
        """The address of the route for a row that belongs to Birch Bank."""
        words = {
            "int:customer_pk": self.cast.birch.pk,
            "int:repository_pk": Repository.objects.get(name="acme/server").pk,
            "int:product_pk": self.cast.reports.pk,
            "slug:decision": "approve",
            "slug:slug": "ready",
            "path:content_type_id": 1,
            "path:object_id": self._row_of_the_admin(route),
            "str:provider_id": "oidc",
            "str:token": "x",
            "str:name": "pull.sh",
        }

        def fill(part: re.Match[str]) -> str:
            return str(self._pk(route) if part[1] == "int:pk" else words[part[1]])

        filled = re.sub(r"<([^<>]+)>", fill, SAMPLES.get(route, route))
        query = f"?pk={self.entitlement.pk}" if "decide" in route else ""
        return f"/{filled}{query}"

    def _pk(self, route: str) -> int:
        rows: dict[str, Any] = {
            "access/": self.entitlement,
            "repositories/": Repository.objects.get(name="acme/server"),
            "registries/": self.cast.registry,
            "drift/": Drift.objects.get(),
            "findings/": Drift.objects.get(),
            "keys/": self.pull_user.access_keys.get(),
            "customers/": self.cast.birch,
            "members/": Membership.objects.get(user=self.cast.bob),
            "invitations/": Invitation.objects.get(),
            "credentials/": self.pull_user,
            "pull-users/": self.pull_user,
        }
        found = [row for part, row in rows.items() if part in route]
        assert found, f"tests/portal/site.py knows no row for {route}"
        return int(found[0].pk)

    def _row_of_the_admin(self, route: str) -> object:
        named = re.match(r"admin/([a-z]+)/([a-z]+)/", route)
        if named is None:
            return 1
        model = apps.get_model(named[1], named[2])
        assert admin.site.is_registered(model)
        return model._default_manager.order_by("pk").values_list("pk", flat=True).first()

    def sign_in(self, role: str) -> Client:
        """The browser of a person in the role who has just confirmed their identity."""
        client, person = Client(), self.people[role]
        if person is not None:
            client.force_login(person)
            client.post("/account/reauthenticate/", {"password": PASSWORD})
        return client


def build_site(cast: Cast) -> Site:
    entitlement = approved(cast)
    engineer = User.objects.create_user("erik@birch.example", PASSWORD)
    Membership.objects.create(user=engineer, customer=cast.birch, role="engineer")
    root = User.objects.create_superuser("root@acme.example", PASSWORD)
    if not Authenticator.objects.exists():
        # Of nobody who visits a page.
        TOTP.activate(User.objects.create_user("erika@birch.example"), generate_totp_secret())
        RecoveryCodes.activate(root)
    people = {
        "nobody": None,
        "viewer": cast.bob,
        "engineer": engineer,
        "owner": cast.alice,
        "stranger": cast.charlie,
        "sales": cast.sandra,
        "ops": cast.otto,
        "root": root,
    }
    pull_user = provision(cast.birch)
    pushed("acme/agent", 3)
    pushed("acme/server", 12)
    Drift.objects.create(kind=Drift.Kind.KEY_STATUS, pull_user=pull_user, subject="AKIA")
    invite(cast.birch, "dana@birch.example", Membership.Role.VIEWER, by=Actor(cast.alice))
    return Site(cast, entitlement, pull_user, people)


def visit(client: Client, method: str, address: str) -> Any:
    """The response. The browser and the database stay as they are. POST sends an empty form."""
    visitor = Client()
    visitor.cookies[settings.SESSION_COOKIE_NAME] = client.cookies.get(
        settings.SESSION_COOKIE_NAME, ""
    )
    cache.clear()
    with transaction.atomic():
        answer = visitor.get(address) if method == "GET" else visitor.post(address, {"sent": "yes"})
        transaction.set_rollback(True)
    return answer
