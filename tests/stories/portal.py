"""The portal in a sandbox, with AWS under its real names, and people at their pages."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from bs4 import BeautifulSoup

from provisioning.demo import seed
from provisioning.demo.browser import Visitor
from provisioning.embedded_aws import PORTAL_ACCESS_KEY_ID, PORTAL_SECRET_ACCESS_KEY
from tests.stories.sandbox import MANAGE, ROOT, Sandbox

SITE = "http://127.0.0.1:8000"
WAIT = 60  # seconds for the worker
# Acme Server has a Helm chart as well.
SEED = """
from django.core.management import call_command
from provisioning.demo import seed
from provisioning.models import Repository
call_command("migrate", verbosity=0)
cast = seed.seed()
cast.server.repositories.add(Repository.objects.create(registry=cast.registry, name=seed.CHART))
"""


@dataclass(frozen=True)
class Block:
    """A block to copy from the page; ``file`` is where it belongs, if not in a shell."""

    text: str
    file: str


@dataclass(frozen=True)
class Revealed:
    access_key_id: str
    secret_access_key: str


@cache
def seeded() -> Path:
    """A folder with a database with the cast, made once for all sandboxes of this process."""
    folder = Path(tempfile.mkdtemp(prefix="seeded-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(
        [*MANAGE, "shell", "--no-imports", "-c", SEED],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "EMBEDDED": "true", "STATE_DIR": str(folder)},
        check=True,
    )
    return folder


def start_portal(box: Sandbox) -> None:
    """Site and worker, on a database with the cast."""
    state = shutil.copytree(seeded(), box.folder / "portal")
    environment = {
        "EMBEDDED": "true",
        "STATE_DIR": str(state),
        "AWS_ACCESS_KEY_ID": PORTAL_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": PORTAL_SECRET_ACCESS_KEY,
        "REPOSITORY_WRITE_INTERVAL_SECONDS": "0",
        "SWEEP_SECONDS": "1",
    }
    celery = [sys.executable, "-m", "celery", "-A", "portal", "worker", "--beat"]
    box.start("worker", [*celery, "--concurrency", "1"], environment)
    gunicorn = [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", "127.0.0.1:8000"]
    log = box.start("site", [*gunicorn, "--threads", "4"], environment)
    box.wait_for(f"curl -fsS {SITE}/health/ready", log)


@dataclass
class Person:
    """A person of the cast at a browser, on the sandbox's network."""

    box: Sandbox
    name: str
    email: str

    def __post_init__(self) -> None:
        self.visitor = Visitor(SITE)
        with self.box.network():
            self.visitor.sign_in(self.email, seed.PASSWORD)

    # --- A customer ----------------------------------------------------------------

    def request(self, product: str) -> str:
        """Returns the address of the page on which the product is followed."""
        with self.box.network():
            self.visitor.get("/")
            form = self.visitor.link(r"/customers/\d+/request/\d+/", after=f"<strong>{product}")
            self.visitor.get(form)
            self.visitor.post(form, reference="PO-1", note="")
            return self.visitor.address

    def wait_for(self, page: str, words: str) -> None:
        with self.box.network():
            log = self.box.folder / "worker.log"
            _wait(lambda: words in self.visitor.get(page), f"{page} to say {words!r}", log)

    def reveal(self, page: str) -> Revealed:
        with self.box.network():
            self.visitor.get(f"{page}credentials/")
            address = self.visitor.link(r"/credentials/\d+/reveal/\?from=\d+")
            self.visitor.get(address)
            self.visitor.post(self.visitor.address, password=seed.PASSWORD)
            self.visitor.post(address)
            return Revealed(
                self.visitor.value("access-key-id"), self.visitor.value("secret-access-key")
            )

    def instructions(self, page: str, repository: str) -> dict[str, list[Block]]:
        """The blocks to copy for a repository, by the slug of the tool. The page follows the
        choices: each tool has an address of its own."""
        found: dict[str, list[Block]] = {}
        chosen = f"{page}?{urlencode({'repository': repository})}"
        # Its images are read by a task of their own.
        self.wait_for(chosen, "pull.sh")
        with self.box.network():
            for where in self._offered(chosen, "where"):
                for tool in self._offered(f"{chosen}&where={where}", "tool"):
                    soup = self._soup(f"{chosen}&where={where}&tool={tool}")
                    found[tool] = [_block(figure) for figure in soup.select(".numbered figure")]
        return found

    def _offered(self, page: str, name: str) -> list[str]:
        options = self._soup(page).select(f"select[name={name}] option")
        return [str(option["value"]) for option in options]

    def _soup(self, page: str) -> BeautifulSoup:
        return BeautifulSoup(self.visitor.get(page), "html.parser")

    # --- Sales ---------------------------------------------------------------------

    def decide(self, decision: str, product: str, **fields: str) -> None:
        state = "requested" if decision == "approve" else "approved"
        with self.box.network():
            self.visitor.get(f"/admin/provisioning/entitlement/?state__exact={state}&q={product}")
            self.visitor.get(self.visitor.link(r"/admin/provisioning/entitlement/\d+/change/.*"))
            form = self.visitor.link(rf"/admin/provisioning/entitlement/decide/{decision}/.*")
            self.visitor.confirm(seed.PASSWORD)
            self.visitor.get(form)
            self.visitor.post(form, **fields)


def _block(figure: object) -> Block:
    code = figure.find("code").get_text()  # type: ignore[attr-defined]
    file = figure.select_one(".file")  # type: ignore[attr-defined]
    return Block(code, file.get_text(strip=True) if file else "")


def _wait(is_so: Callable[[], bool], what: str, log: Path) -> None:
    deadline = time.monotonic() + WAIT
    while not is_so():
        words = f"waited {WAIT} s for {what}\n"
        assert time.monotonic() < deadline, words + log.read_text()[-3000:]
        time.sleep(0.2)
