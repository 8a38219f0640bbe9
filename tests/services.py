"""Real PostgreSQL and Redis for a test: from the system's programs, on free ports of this
machine, with throw-away data, as an unprivileged user, and ended by their pid."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.requires import postgresql_bin, require

HOST = "127.0.0.1"
READY_WITHIN = 30  # seconds


@contextmanager
def postgresql() -> Iterator[str]:
    """Yields the address of an empty database."""
    require("PostgreSQL")
    programs = postgresql_bin()
    assert programs is not None
    with _folder() as folder:
        data, port = folder / "data", free_port()
        _run(programs / "initdb", "-D", data, "-U", "portal", "--auth=trust", "-E", "UTF8")
        options = f"-c listen_addresses={HOST} -c port={port} -c fsync=off"
        server = [str(programs / "postgres"), "-D", str(data), *options.split()]
        with _server([*server, "-c", f"unix_socket_directories={folder}"], folder, port):
            _until(lambda: _run(programs / "pg_isready", "-h", HOST, "-p", port, check=False) == 0)
            _run(programs / "createdb", "-h", HOST, "-p", port, "-U", "portal", "portal")
            yield f"postgres://portal@{HOST}:{port}/portal"


@contextmanager
def redis() -> Iterator[str]:
    """Yields the address of an empty server that keeps nothing."""
    require("Redis")
    with _folder() as folder:
        port = free_port()
        options = f"--bind {HOST} --port {port} --save --appendonly no --dir {folder}"
        with _server(["redis-server", *options.split(" ")], folder, port):
            yield f"redis://{HOST}:{port}/0"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _user() -> str | None:
    """Whom to be: PostgreSQL refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else None


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="service-"))
    try:
        user = _user()
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        yield folder
    finally:
        shutil.rmtree(folder)


def _run(*command: object, check: bool = True) -> int:
    ended = subprocess.run(
        [str(word) for word in command],
        user=_user(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0 or not check, ended.stderr
    return ended.returncode


@contextmanager
def _server(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, user=_user(), cwd="/", stdout=log, stderr=log)
    try:
        _until(lambda: _is_listening(port))
        yield
    finally:
        server.terminate()
        server.wait(timeout=20)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not is_so():
        assert time.monotonic() < deadline, f"the server is not ready after {READY_WITHIN} s"
        time.sleep(0.05)
