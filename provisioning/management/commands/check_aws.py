"""``manage.py check_aws``: whether each registry is ready for customers."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from provisioning import checkup
from provisioning.aws import boto
from provisioning.checkup import CheckResult, CheckStatus
from provisioning.models import Registry


class Command(BaseCommand):
    help = "Check in AWS whether each registry is ready; run it before the first customer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--registry", metavar="NAME", help="Check only this registry.")
        parser.add_argument(
            "--write",
            action="store_true",
            help="Create a temporary user, give it a key, add it to the policy of a repository "
            "that has none, and remove it.",
        )
        parser.add_argument(
            "--wait",
            type=int,
            default=120,
            help="Seconds that --write gives AWS to make each change visible (120).",
        )
        parser.add_argument("--json", action="store_true", help="Print JSON, for programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        patience = timedelta(seconds=options["wait"]) if options["write"] else None
        found: list[tuple[Registry, CheckResult]] = []
        for registry in _registries(options["registry"]):
            for result in _check(registry, patience):
                found.append((registry, result))
                if not options["json"]:
                    self.stdout.write(_line(registry, result))
                    self.stdout.flush()
        if options["json"]:
            self.stdout.write(json.dumps([_item(*pair) for pair in found], indent=2))
        failed = sum(result.status is CheckStatus.FAIL for _, result in found)
        if failed:
            raise CommandError(f"{failed} of {len(found)} checks failed.")


def _registries(name: str | None) -> list[Registry]:
    registries = list(Registry.objects.prefetch_related("repositories"))
    if not registries:
        raise CommandError(
            "The portal has no registry yet. Its administrator can add one in the admin."
        )
    chosen = [registry for registry in registries if name in (None, registry.name)]
    if not chosen:
        names = ", ".join(registry.name for registry in registries)
        raise CommandError(f"There is no registry {name}. There are: {names}.")
    return chosen


def _check(registry: Registry, patience: timedelta | None) -> Any:
    subject = checkup.Subject(
        account_id=registry.account_id,
        region=registry.region,
        role_arn=registry.role_arn,
        repositories=tuple(repository.name for repository in registry.repositories.all()),
        path=settings.AWS_PATH,
        login_policy_name=settings.AWS_LOGIN_POLICY_NAME,
        boundary_arn=registry.boundary_arn,
    )
    return checkup.check(subject, partial(boto.probe, registry), patience=patience)


def _line(registry: Registry, result: CheckResult) -> str:
    remedy = f" {result.remedy}" if result.remedy else ""
    return f"{result.status:4}  {registry.name}  {result.check}: {result.words}{remedy}"


def _item(registry: Registry, result: CheckResult) -> dict[str, str]:
    return {
        "registry": registry.name,
        "check": result.check,
        "status": result.status,
        "words": result.words,
        "remedy": result.remedy,
    }
