"""``manage.py verify_audit``: is the audit log as it was written?"""

import re
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.seals import verify


def head(words: str) -> str:
    if not re.fullmatch(r"[1-9]\d*:[0-9a-f]{64}", words):
        raise ArgumentTypeError("a head is a number, a colon, and 64 hexadecimal digits")
    return words


class Command(BaseCommand):
    help = "Verify the chain of seals over the audit log, and say the first broken line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head",
            type=head,
            metavar="NUMBER:HASH",
            help="a head that an earlier run told, or the worker's log; it must be in the chain",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify(options["head"] or "")
        if verdict.broken:
            raise CommandError(
                f"{verdict.broken} The {verdict.sealed} lines before it are as they were "
                "written. Compare with a backup; somebody wrote to the database itself."
            )
        self.stdout.write(
            f"{verdict.sealed} lines are as they were written; {verdict.waiting} wait for their "
            f"seal. Keep this head elsewhere: {verdict.head}"
        )
