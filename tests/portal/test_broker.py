"""The embedded broker's folder only ever shows complete messages; and nobody waits for a broker."""

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import pytest
from kombu import Connection
from kombu.exceptions import ChannelError
from kombu.simple import SimpleQueue

from portal.celery import app
from portal.pages.health import LATE

# So large that the reader looks while one is being written.
LARGE = {"words": "x" * 5_000_000}
MANY = 20


@contextmanager
def opened(folder: Path) -> Iterator[SimpleQueue]:
    options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
    with app.connection_for_write("filesystem://", transport_options=options) as connection:
        assert isinstance(connection, Connection)
        # kombu remembers a process's queues by name, whatever their folder.
        with connection.SimpleQueue(folder.name) as queue:
            yield queue


@contextmanager
def full_disk() -> Iterator[None]:
    """Files can grow by only a few bytes, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_messages_written_while_they_are_read_arrive_complete(tmp_path: Path) -> None:
    with opened(tmp_path) as reader:
        # In another process, like the site beside the worker.
        writing = get_context("spawn").Process(target=write_many, args=[tmp_path])
        writing.start()
        try:
            read = [next_number(reader) for _ in range(MANY)]
        finally:
            writing.join()
    assert read == list(range(MANY))


def write_many(folder: Path) -> None:
    with opened(folder) as queue:
        for n in range(MANY):
            queue.put({"n": n, **LARGE})


def next_number(queue: SimpleQueue) -> int:
    """Poll without a pause; kombu itself would look once a second."""
    while True:
        with suppress(queue.Empty):
            return int(queue.get(block=False).payload["n"])


def test_full_disk_leaves_no_partial_message(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        with full_disk(), pytest.raises(ChannelError, match="File too large"):
            queue.put(LARGE)
        assert not list(tmp_path.glob("*.msg")) + list(tmp_path.glob("*.part"))
        queue.put({"n": 1})
        assert queue.get(timeout=5).payload == {"n": 1}


SEND = "from provisioning import tasks; print(tasks._send([(tasks.registry_turn, (1,))]))"
READY = """
from concurrent.futures import ThreadPoolExecutor
from django.test import RequestFactory
from portal.pages import health
def ask(number):
    return health.ready(RequestFactory().get("/health/ready"))
with ThreadPoolExecutor(20) as pool:
    print({answer.status_code for answer in pool.map(ask, range(20))})
print(ask(0).content.decode())
"""


def run_beside_broker(command: str, state: Path, *, hangs: bool) -> tuple[str, int]:
    """What the command prints, and how often it connected to a broker that hangs up, or hangs."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connections.append(server.accept()[0])
                    if not hangs:
                        connections[-1].close()

        Thread(target=accept, daemon=True).start()
        ended = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", command],
            env={
                "PATH": os.environ["PATH"],
                "EMBEDDED": "true",
                "STATE_DIR": str(state),
                "BROKER_URL": f"redis://127.0.0.1:{server.getsockname()[1]}/0",
            },
            capture_output=True,
            text=True,
            check=True,
        )
    return ended.stdout.strip(), len(connections)


@pytest.mark.parametrize("hangs", [False, True])
def test_nobody_waits_for_a_broker_that_is_down(tmp_path: Path, *, hangs: bool) -> None:
    """One attempt; the row stays due, and the sweep sends the message again."""
    assert run_beside_broker(SEND, tmp_path, hangs=hangs) == ("False", 1)


def test_broker_that_hangs_holds_up_one_who_asks_whether_all_is_ready(tmp_path: Path) -> None:
    printed, attempts = run_beside_broker(READY, tmp_path, hangs=True)
    assert printed == f"{{200}}\nready\n{LATE}"
    # Of the first who asked, and of the last.
    assert attempts <= 4
