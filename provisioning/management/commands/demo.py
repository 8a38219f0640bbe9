"""``manage.py demo``: the whole portal on this machine, to try out, or to play its story."""

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from provisioning.demo import seed, stack, story


class Command(BaseCommand):
    help = "Run the whole portal on this machine, with its own AWS; --once plays its story."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Play the story and stop.")
        parser.add_argument(
            "--wait", type=float, default=60, help="Seconds that --once gives the worker (60)."
        )
        parser.add_argument("--port", type=int, default=8000, help="The site's port (8000).")
        parser.add_argument("--aws-port", type=int, default=5123, help="The AWS's port (5123).")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EMBEDDED:
            raise CommandError("The demo is for the embedded form: set EMBEDDED=true.")
        # A stop by the system ends the demo as Ctrl-C does, from a script's background too.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            self._run(
                options["port"], options["aws_port"], options["wait"] if options["once"] else None
            )
        except stack.CannotStart as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")

    def _run(self, port: int, aws_port: int, wait: float | None) -> None:
        """Run until Ctrl-C, or, with a ``wait``, play the story once."""
        state_dir = Path(settings.STATE_DIR)
        stack.require_free(port, "--port")
        stack.require_free(aws_port, "--aws-port")
        self.stdout.write("Starting afresh: the data of earlier demos was deleted.")
        stack.delete_earlier(state_dir)
        with stack.embedded_aws(aws_port) as aws:
            call_command("migrate", verbosity=0)
            seed.seed(endpoint_url=aws.url)
            with stack.running(aws, port=port, state_dir=state_dir) as running:
                if wait is not None:
                    if not story.play(running, self._say, wait=wait):
                        sys.exit(1)
                    return
                self._say_where(running)
                signal.pause()

    def _say(self, words: str) -> None:
        """Print at once, even into a file or a pipe."""
        self.stdout.write(words)
        self.stdout.flush()

    def _say_where(self, running: stack.Stack) -> None:
        self._say(
            f"""
The portal is at {running.site}/ (Ctrl-C stops it). Its AWS is at {running.served.url}.

  alice@birch.example     owner at Birch Bank: request Acme Server, then reveal and pull
  bob@birch.example       viewer at Birch Bank
  charlie@cedar.example   owner at Cedar Clinic
  sandra@acme.example     sales: approve in {running.site}/admin/
  otto@acme.example       ops: {running.site}/ops/

The password of all is: {seed.PASSWORD}
Emails are shown at {running.site}/demo/mail/; logs are in {running.state_dir}.
"""
        )
