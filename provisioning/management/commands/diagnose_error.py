"""Which known errors are in a text: for support, and for tests."""

import json
import sys
from typing import Any

from django.core.management import BaseCommand
from django.core.management.base import CommandParser

from provisioning.diagnosis.matching import matching


class Command(BaseCommand):
    help = (
        "Read what a client printed from standard input, and print which known errors are in it, "
        "the most telling first. Nothing of the text is stored or printed."
    )
    # It needs neither the database nor the settings of production.
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print a list of slugs as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = matching(sys.stdin.buffer.read().decode(errors="replace"))
        if options["json"]:
            self.stdout.write(json.dumps([error.slug for error in found]))
            return
        for error in found:
            self.stdout.write(f"{error.slug}: {error.cause}\n  {error.remedy}")
        if not found:
            self.stdout.write("No known error is in it.")
