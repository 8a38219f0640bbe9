"""The demo's own story, with a real worker process: on the embedded database and broker,
and on PostgreSQL and Redis."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import free_port, postgresql, redis

pytestmark = pytest.mark.timeout(240)


def play(state_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ports = ["--port", str(free_port()), "--aws-port", str(free_port())]
    return subprocess.run(
        [sys.executable, "manage.py", "demo", *ports, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "EMBEDDED": "true",
            "STATE_DIR": str(state_dir),
            "SWEEP_SECONDS": "1",
            "REPOSITORY_WRITE_INTERVAL_SECONDS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_story_succeeds_on_the_embedded_database_and_broker(tmp_path: Path) -> None:
    played = play(tmp_path, "--once")
    assert "Every step succeeded" in played.stdout, played.stdout + played.stderr
    assert played.returncode == 0
    assert (tmp_path / "portal.sqlite3").exists()


def test_story_succeeds_on_postgresql_and_redis(tmp_path: Path) -> None:
    with postgresql() as database_url, redis() as broker_url:
        played = play(tmp_path, "--once", DATABASE_URL=database_url, BROKER_URL=broker_url)
    assert "Every step succeeded" in played.stdout, played.stdout + played.stderr
    assert played.returncode == 0
    assert not (tmp_path / "portal.sqlite3").exists()


def test_story_that_fails_ends_with_an_error(tmp_path: Path) -> None:
    # A broker that takes messages from nobody: nothing is provisioned, and the wait ends.
    played = play(tmp_path, "--once", "--wait", "2", BROKER_URL="memory://")
    assert "FAILED: Expectation: waited 2 s" in played.stdout
    assert played.returncode == 1


def test_busy_port_is_reported_without_a_traceback(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        played = play(tmp_path, "--port", str(taken.getsockname()[1]))
    assert played.returncode == 1
    assert "is used by another program" in played.stderr
    assert "Traceback" not in played.stderr


def test_demo_refuses_the_production_form(tmp_path: Path) -> None:
    played = play(
        tmp_path,
        EMBEDDED="false",
        ORIGIN="https://portal.example.com",
        SECRET_KEY="s" * 50,
        VAULT_KEYS="k:" + "A" * 43 + "=",
        AUDIT_KEYS="k:" + "A" * 43 + "=",
        ALLOWED_HOSTS="portal.example.com",
        SUPPORT_EMAIL="support@example.com",
        DATABASE_URL="postgres://nobody@127.0.0.1:9/none",
        BROKER_URL="redis://127.0.0.1:9/0",
        EMAIL_HOST="mail.example.com",
    )
    assert played.returncode == 1
    assert "set EMBEDDED=true" in played.stderr
