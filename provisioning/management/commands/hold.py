"""``manage.py hold``: the portal changes nothing in AWS by itself."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from provisioning.flows import Refused
from provisioning.flows.hold import hold


class Command(BaseCommand):
    help = (
        "Hold the portal: it looks at AWS and changes nothing there by itself. What people take "
        "away is still taken away."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="It is kept in the audit log.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            hold(reason=options["reason"])
        except Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write("The portal is held. `manage.py restore_plan` lists what differs.")
