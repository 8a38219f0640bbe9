"""The processes of the demo: the embedded AWS, a worker with beat, and the site."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioning.demo import seed
from provisioning.embedded_aws import (
    PORTAL_ACCESS_KEY_ID,
    PORTAL_SECRET_ACCESS_KEY,
    Config,
    EmbeddedAws,
)

READY_WITHIN = 60  # seconds
HOST = "127.0.0.1"


class CannotStart(Exception):
    """The demo cannot start; the text says why and what to do."""


@dataclass(frozen=True)
class ServedAws:
    """The embedded AWS, and its address without a closing slash."""

    aws: EmbeddedAws
    url: str


@dataclass(frozen=True)
class Stack:
    """The running demo; ``site`` is its address without a closing slash."""

    site: str
    served: ServedAws
    state_dir: Path


def require_free(port: int, option: str) -> None:
    """Raise CannotStart if something is listening on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise CannotStart(
                f"Port {port} is used by another program. Stop it, or choose another port "
                f"with {option}."
            ) from None


def delete_earlier(state_dir: Path) -> None:
    """Delete the data of an earlier demo, and nothing else in the folder."""
    state_dir.mkdir(parents=True, exist_ok=True)
    for folder in ("broker", "mail"):
        shutil.rmtree(state_dir / folder, ignore_errors=True)
    for pattern in ("portal.sqlite3*", "beat-schedule*", "*.log"):
        for file in state_dir.glob(pattern):
            file.unlink()


@contextmanager
def embedded_aws(port: int) -> Iterator[ServedAws]:
    """The AWS of the demo, with the vendor's account, repositories and images."""
    # AWS's ECR takes a few seconds to know a new user, and so does the demo's.
    aws = EmbeddedAws(Config(propagation_seconds=2))
    seed.stock(aws)
    with aws.serve(HOST, port) as server:
        yield ServedAws(aws, server.url)


@contextmanager
def running(served: ServedAws, *, port: int, state_dir: Path) -> Iterator[Stack]:
    """The worker and the site, on the seeded database; stopped at the end."""
    environment = os.environ | {
        "EMBEDDED": "true",
        "DEMO": "true",
        "STATE_DIR": str(state_dir),
        "ORIGIN": f"http://{HOST}:{port}",
        "AWS_ACCESS_KEY_ID": PORTAL_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": PORTAL_SECRET_ACCESS_KEY,
    }
    worker = shlex.split("-m celery -A portal --quiet worker --beat --concurrency 2 -l INFO")
    site = shlex.split(
        f"-m gunicorn portal.wsgi --bind {HOST}:{port} --threads 8 --no-control-socket"
    )
    stack = Stack(f"http://{HOST}:{port}", served, state_dir)
    with ExitStack() as processes:
        processes.enter_context(_process(worker, environment, state_dir / "worker.log"))
        web = processes.enter_context(_process(site, environment, state_dir / "site.log"))
        _wait_for(f"{stack.site}/health/ready", web, state_dir / "site.log")
        yield stack


@contextmanager
def _process(
    arguments: list[str], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Only the demo receives Ctrl-C, and then stops the others in order.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.1)
    tail = log.read_text(errors="replace")[-2000:]
    raise CannotStart(f"The site did not start within {READY_WITHIN} s. Its log ends:\n{tail}")
