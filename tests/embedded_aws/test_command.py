"""``manage.py embedded_aws`` as a process."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.services import free_port


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "embedded_aws", *arguments],
        env={"PATH": os.environ["PATH"], "EMBEDDED": "true", "STATE_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_server_prints_its_address_and_stops_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    with start(tmp_path, "--port", str(port)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"AWS is at http://127.0.0.1:{port}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_port_that_is_taken_is_reported_in_plain_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with start(tmp_path, "--port", str(taken.getsockname()[1])) as process:
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Choose another with --port" in errors
    assert "Traceback" not in errors


def test_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    with start(tmp_path, "--certificate", "c.pem") as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "--certificate and --key go together" in errors
