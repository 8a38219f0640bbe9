"""``manage.py release``: the portal goes on after a hold."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from provisioning.flows import Refused
from provisioning.flows.hold import release


class Command(BaseCommand):
    help = "End a hold: the portal makes AWS agree with the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="It is kept in the audit log.")
        parser.add_argument(
            "--force",
            action="store_true",
            help="Also while differences are undecided or rows were not looked at. What AWS has "
            "and the database does not know is then removed.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            release(reason=options["reason"], is_forced=options["force"])
        except Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write("The portal goes on.")
