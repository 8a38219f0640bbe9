"""Fifty browsers reveal one secret at the same moment: on PostgreSQL, with gunicorn's workers as
in production, one of them gets it. Nothing of it needs the broker, which is down."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from urllib.parse import urlencode

import psycopg
import pytest

from provisioning.demo import seed
from provisioning.demo.browser import Visitor
from tests.provisioned import SECRET
from tests.services import HOST, free_port, postgresql

ROOT = Path(__file__).resolve().parents[2]
MANY = 50
SCENE = (
    "from provisioning.demo.seed import seed; from tests.entitlements import approved; "
    "from tests.provisioned import provision; "
    "people = seed(); approved(people); print(provision(people.birch).pk)"
)


@contextmanager
def site(environment: dict[str, str], log: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"{HOST}:{port}"]
    command += ["--worker-class", "gthread", "--workers", "2", "--threads", "8"]
    command += ["--no-control-socket"]
    with log.open("wb") as out:
        gunicorn = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while not is_ready(port):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield port
    finally:
        gunicorn.terminate()
        gunicorn.wait(timeout=30)


def is_ready(port: int) -> bool:
    with closing(HTTPConnection(HOST, port, timeout=5)) as connection:
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False


@pytest.mark.timeout(170)
def test_of_fifty_who_reveal_at_once_one_gets_the_secret(tmp_path: Path) -> None:
    with postgresql() as database:
        environment = {
            "PATH": os.environ["PATH"],
            "EMBEDDED": "true",
            "STATE_DIR": str(tmp_path),
            "DATABASE_URL": database,
            "BROKER_URL": f"redis://{HOST}:{free_port()}/0",
        }
        manage(environment, "migrate")
        address = f"/credentials/{manage(environment, 'shell', '-v0', '-c', SCENE)}/reveal/"
        with site(environment, tmp_path / "log") as port:
            alice = Visitor(f"http://{HOST}:{port}")
            assert "the broker does not answer" in alice.get("/health/ready")
            alice.sign_in("alice@birch.example", seed.PASSWORD)
            alice.get(address)
            alice.post(alice.address, password=seed.PASSWORD)
            answers = reveal_at_once(port, address, alice)
        with psycopg.connect(database) as connection:
            lines = connection.execute(
                "SELECT count(*) FROM accounts_auditevent WHERE action = 'revealed'"
            ).fetchone()
            stored = connection.execute(
                "SELECT ciphertext FROM provisioning_onetimesecret"
            ).fetchall()
    assert [status for status, _ in answers if status not in (200, 409)] == []
    assert [SECRET in page for _, page in answers].count(True) == 1
    assert [status for status, _ in answers].count(200) == 1
    assert lines == (1,)
    assert stored == [(None,)]
    assert SECRET not in (tmp_path / "log").read_text()


def manage(environment: dict[str, str], *words: str) -> str:
    ended = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def reveal_at_once(port: int, address: str, alice: Visitor) -> list[tuple[int, str]]:
    """What each of MANY gets who send the same form with the same proof."""
    headers = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in alice.cookies.items()),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    form = urlencode({"csrfmiddlewaretoken": alice.cookies["csrftoken"]})
    start = Barrier(MANY)

    def one(_: int) -> tuple[int, str]:
        with closing(HTTPConnection(HOST, port, timeout=60)) as connection:
            connection.connect()
            start.wait(timeout=30)
            connection.request("POST", address, form, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    with ThreadPoolExecutor(MANY) as threads:
        return list(threads.map(one, range(MANY)))
