"""The embedded broker's folder only ever shows complete messages."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import ChannelError
from kombu.simple import SimpleQueue

from portal.celery import app

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
