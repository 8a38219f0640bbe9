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
from provisioning.checkup import Finding, Outcome
from provisioning.models import Registry


class Command(BaseCommand):
    help = "Ask AWS whether each registry is ready for customers; run it before the first one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--registry", metavar="NAME", help="Only this one.")
        parser.add_argument(
            "--write",
            action="store_true",
            help="Let a throw-away user make the round: created, given a key, let into the policy "
            "of a repository that has none, and removed.",
        )
        parser.add_argument(
            "--wait",
            type=int,
            default=120,
            help="Seconds that --write gives AWS to come to know each new thing (120).",
        )
        parser.add_argument("--json", action="store_true", help="For programs to read.")

    def handle(self, *args: Any, **options: Any) -> None:
        patience = timedelta(seconds=options["wait"]) if options["write"] else None
        found: list[tuple[Registry, Finding]] = []
        for registry in _registries(options["registry"]):
            for finding in _check(registry, patience):
                found.append((registry, finding))
                if not options["json"]:
                    self.stdout.write(_line(registry, finding))
                    self.stdout.flush()
        if options["json"]:
            self.stdout.write(json.dumps([_item(*pair) for pair in found], indent=2))
        failed = sum(finding.outcome is Outcome.FAIL for _, finding in found)
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
    return checkup.check(subject, partial(boto.inspect, registry), patience=patience)


def _line(registry: Registry, finding: Finding) -> str:
    remedy = f" {finding.remedy}" if finding.remedy else ""
    return f"{finding.outcome:4}  {registry.name}  {finding.check}: {finding.words}{remedy}"


def _item(registry: Registry, finding: Finding) -> dict[str, str]:
    return {
        "registry": registry.name,
        "check": finding.check,
        "outcome": finding.outcome,
        "words": finding.words,
        "remedy": finding.remedy,
    }
