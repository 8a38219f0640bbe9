"""``manage.py who_can_pull``: whom a repository's policy lets pull."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from provisioning.documents import grammar, pulling
from provisioning.documents.pulling import Denial, Puller


class Command(BaseCommand):
    help = "Explain whom the policy of an ECR repository lets pull, and whom it denies it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--policy",
            required=True,
            metavar="FILE",
            help="The policy document as JSON; - reads it from standard input. `aws ecr "
            "get-repository-policy --query policyText --output text` prints it.",
        )
        parser.add_argument("--json", action="store_true", help="Print JSON, for programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        file = options["policy"]
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text()
            document = grammar.from_json(text)
        except (grammar.MalformedPolicy, OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from None
        pullers, denials = pulling.pullers(document), pulling.denials(document)
        if options["json"]:
            self.stdout.write(json.dumps({"pullers": pullers, "denials": denials}, indent=2))
            return
        for puller in pullers:
            self.stdout.write(_of_puller(Puller(**puller)))
        for denial in denials:
            self.stdout.write(_of_denial(Denial(**denial)))
        if not pullers:
            self.stdout.write("This policy lets nobody pull.")


def _of_puller(puller: Puller) -> str:
    """One line, like ``can pull: 123456789012 (by statement Partner)``."""
    by = ", ".join(f"statement {sid}" if sid else "one without a Sid" for sid in puller.sids)
    words = [f"{puller.verdict}: {puller.name} (by {by})"]
    if puller.condition:
        words.append(f"conditions on {', '.join(puller.condition)}")
    words += [f"denied by {denial}" for denial in puller.denied_by]
    return "; ".join(words)


def _of_denial(denial: Denial) -> str:
    return f"denied: {denial.name} (by {denial})"
