"""``manage.py verify_audit``: whether the audit log is as it was written."""

import re
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit.chain import adopt, verify


def head(words: str) -> str:
    if not re.fullmatch(r"[1-9]\d*:(.+:)?[0-9a-f]{64}", words):
        raise ArgumentTypeError("a head is a number, a colon, and a signature")
    return words


class Command(BaseCommand):
    help = "Verify the chain over the audit log, and report the first broken line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head",
            type=head,
            metavar="NUMBER:SIGNATURE",
            help="a head from an earlier run or the worker's log that must be part of the chain",
        )

        parser.add_argument(
            "--adopt",
            action="store_true",
            help="accept the log as it is: after the upgrade from a version that did not sign "
            "lines, or after a backup was restored",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["adopt"]:
            adopt()
        verdict = verify(options["head"] or "")
        if verdict.broken:
            raise CommandError(
                f"{verdict.broken} The {verdict.linked} lines before it are as they were "
                "written. Someone has changed the database directly: compare it with a backup."
            )
        self.stdout.write(
            f"{verdict.linked} lines are as they were written; {verdict.waiting} are not yet "
            f"linked. Keep this head somewhere else: {verdict.head}"
        )
