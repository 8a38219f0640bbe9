"""A test's side of the zygote."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provisioning.embedded_aws import PORTAL_ACCESS_KEY_ID, PORTAL_SECRET_ACCESS_KEY

ROOT = Path(__file__).resolve().parent.parent.parent


class Zygote:
    """Forks a worker for each command. A worker that fails, or that dies without being killed,
    fails the test."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert self._read() == "ready"

    def run(self, verb: str, *arguments: Any) -> Any:
        status, result = self._command(verb, *arguments)
        assert status == 0, f"{verb} ended with {status}; its traceback is above"
        return result

    def run_to_be_killed(self, verb: str, on_pid: Callable[[int], None]) -> bool:
        """Run a command whose worker ``on_pid`` may cause to be killed. Returns whether it was."""
        status, _ = self._command(verb, on_pid=on_pid)
        assert status in (0, signal.SIGKILL), f"{verb} ended with {status}"
        return bool(status)

    def _command(
        self, verb: str, *arguments: Any, on_pid: Callable[[int], None] = lambda pid: None
    ) -> tuple[int, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._process.stdin.flush()
        on_pid(self._read())
        status, result = self._read()
        return status, result

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the zygote has died"
        return json.loads(line)


@contextmanager
def zygote(state: Path, **environment: str) -> Iterator[Zygote]:
    """A portal whose state is in the folder ``state``; ``environment`` is added to its own."""
    state.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.zygote"],
        cwd=ROOT,
        env=clean_environment(state) | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Zygote(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def celery_worker(state: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Celery's own worker, as one process, with the same state."""
    command = ["-m", "celery", "-A", "portal", "worker", "--pool", "solo", "-l", "ERROR"]
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=clean_environment(state))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=30)


@contextmanager
def worker_with_beat(
    state: Path, log: Path, *options: str, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Celery's worker with beat, as in production apart from its AWS and its pace."""
    command = ["-m", "celery", "-A", "portal", "worker", "--beat", *options]
    pace = {"REPOSITORY_WRITE_INTERVAL_SECONDS": "5", "SWEEP_SECONDS": "5"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=clean_environment(state) | pace | environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def clean_environment(state: Path) -> dict[str, str]:
    """The settings of a portal in its embedded form, and nothing from this process."""
    return {
        "PATH": os.environ["PATH"],
        "EMBEDDED": "true",
        "STATE_DIR": str(state),
        "REPOSITORY_WRITE_INTERVAL_SECONDS": "0",
        "DRIFT_CONFIRM_SECONDS": "0",
        "AWS_ACCESS_KEY_ID": PORTAL_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": PORTAL_SECRET_ACCESS_KEY,
    }
