"""``manage.py embedded_aws``: the AWS of the demo and of the tests, by itself."""

import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from provisioning.demo import seed
from provisioning.embedded_aws import Config, EmbeddedAws
from provisioning.embedded_aws.config import Broken


class Command(BaseCommand):
    help = "Serve an AWS of this machine's own: IAM, STS, ECR, and a registry to pull from."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=5123)
        parser.add_argument(
            "--real-names", action="store_true", help="Send clients to AWS's own host names."
        )
        parser.add_argument("--certificate", type=Path, help="For TLS, with --key.")
        parser.add_argument("--key", type=Path)
        parser.add_argument(
            "--propagation-seconds", type=float, default=0, help="How late ECR knows new users."
        )
        parser.add_argument(
            "--tokens-die-with-their-key", action="store_true", help="At the registry as well."
        )
        parser.add_argument(
            "--broken",
            action="append",
            default=[],
            choices=[place.value for place in Broken],
            help="A place where enforcement is switched off, to see tests notice.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["certificate"]) != bool(options["key"]):
            raise CommandError("--certificate and --key go together.")
        config = Config(
            propagation_seconds=options["propagation_seconds"],
            tokens_die_with_their_key=options["tokens_die_with_their_key"],
            broken=frozenset(Broken(place) for place in options["broken"]),
        )
        aws = EmbeddedAws(config, has_real_names=options["real_names"])
        seed.stock(aws)
        certificate = (options["certificate"], options["key"]) if options["certificate"] else None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            with aws.serve(options["host"], options["port"], certificate) as server:
                self.stdout.write(f"AWS is at {server.url} (Ctrl-C stops it).")
                self.stdout.flush()
                signal.pause()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        except (OSError, SystemExit):
            raise CommandError(
                f"Port {options['port']} is taken or not allowed. Choose another with --port."
            ) from None
