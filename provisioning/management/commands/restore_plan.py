"""``manage.py restore_plan``: what differs between AWS and the database."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from provisioning.desired import hold
from provisioning.models import Installation
from provisioning.queries.restore import PlanLine, PlanSection, held_back, restore_plan


class Command(BaseCommand):
    help = "List what AWS has that the database lacks, and the reverse, by kind and customer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print JSON, for programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        plan, installation = restore_plan(), Installation.get()
        if options["json"]:
            items = [_item(section, line) for section in plan for line in section.lines]
            state = {"held_because": installation.held_because, "unseen": hold.unseen()}
            self.stdout.write(json.dumps(state | {"differences": items}, indent=2))
            return
        if installation.held_at is None:
            self.stdout.write("The portal is not held.")
        else:
            self.stdout.write(f"The portal is held. {installation.held_because}")
            self.stdout.write(f"Rows not looked at yet: {hold.unseen()}.")
        for section in plan:
            self._write(section)
        for entitlement in held_back():
            self.stdout.write(f"{entitlement} ends with the hold: its end has passed.")
        if not plan:
            self.stdout.write("AWS and the database agree.")

    def _write(self, section: PlanSection) -> None:
        self.stdout.write(f"\n{section.words.found}")
        for choice, words in (("Adopt", section.words.adopt), ("Repair", section.words.repair)):
            if words:
                self.stdout.write(f"  {choice}: {words}")
        for line in section.lines:
            parts = [line.customer or "no customer known", line.user, line.where, line.facts]
            chosen = f"chosen: {line.drift.choice}" if line.drift.choice else ""
            self.stdout.write(f"  - {', '.join(part for part in [*parts, chosen] if part)}")


def _item(section: PlanSection, line: PlanLine) -> dict[str, Any]:
    return {
        "id": line.drift.pk,
        "kind": section.kind,
        "customer": line.customer,
        "user": line.user,
        "subject": line.drift.subject,
        "repository": str(line.drift.repository or ""),
        "facts": line.facts,
        "choice": line.drift.choice,
    }
