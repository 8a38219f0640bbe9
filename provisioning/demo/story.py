"""A whole purchase, played against a running demo: each step through the form or the protocol
that the person or machine would use."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioning.demo import seed
from provisioning.demo.browser import Visitor
from provisioning.demo.stack import Stack
from provisioning.embedded_aws.customer_machine import Machine, PullRefused

SKOPEO_SECONDS = 60
Say = Callable[[str], object]


class Expectation(Exception):
    """A step did not end as it should."""


def play(stack: Stack, say: Say, *, wait: float) -> bool:
    """Play the story; print each step with its time. ``wait``: seconds for the worker
    to carry out a decision. Returns whether every step succeeded."""
    began = time.monotonic()
    try:
        _play(stack, say, wait)
    except Exception as error:  # noqa: BLE001 - whatever it is, the story failed
        say(f"FAILED: {type(error).__name__}: {error}")
        return False
    say(f"Every step succeeded, in {time.monotonic() - began:.1f} s.")
    return True


def _play(stack: Stack, say: Say, wait: float) -> None:
    alice, sandra = Visitor(stack.site), Visitor(stack.site)
    skopeo = shutil.which("skopeo")
    with step(say, "Alice signs in and requests Acme Server"):
        alice.sign_in("alice@birch.example", seed.PASSWORD)
        alice.get("/")
        alice.get(alice.link(r"/customers/\d+/request/\d+/", after="Acme Server"))
        alice.post(alice.address, reference="PO-2026-17", note="For our staging machines.")
        access = alice.address
    with step(say, "Sandra approves it in the admin"):
        sandra.sign_in("sandra@acme.example", seed.PASSWORD)
        sandra.confirm(seed.PASSWORD)
        sandra.get("/admin/provisioning/entitlement/?state__exact=requested")
        sandra.get(sandra.link(r"/admin/provisioning/entitlement/\d+/change/.*"))
        sandra.get(sandra.link(r"/admin/provisioning/entitlement/decide/approve/.*"))
        sandra.post(sandra.address, note="Welcome to Acme.")
    with step(say, "The worker provisions it in AWS"):
        _wait(
            wait,
            lambda: "waiting to be revealed" in alice.get(access),
            "the page to say it is ready",
        )
    with step(say, "She and sales got their emails"):
        emails = ["Birch Bank requests Acme Server", "Birch Bank: Acme Server is ready to pull"]
        _wait(wait, lambda: all(each in alice.get("/demo/mail/") for each in emails), "the emails")
        alice.get(access)
    with step(say, "Alice confirms her identity and reveals her credentials once"):
        reveal = alice.link(r"/credentials/\d+/reveal/\?from=\d+")
        alice.get(reveal)
        alice.post(alice.address, password=seed.PASSWORD)
        alice.post(reveal)
        machine = Machine(
            stack.served.url,
            seed.REGION,
            alice.value("access-key-id"),
            alice.value("secret-access-key"),
        )
    with step(say, "The page no longer shows them"):
        secret = alice.value("secret-access-key")
        if secret in alice.get(f"{access}credentials/") or "Revealed to Alice" not in alice.page:
            raise Expectation("the page should only say when and by whom they were revealed")
    with step(say, "Her machine signs in and pulls acme/server:1.1"):
        pulled = machine.pull("acme/server", "1.1")
        if pulled.digest != stack.served.aws.digest(
            seed.ACCOUNT_ID, seed.REGION, "acme/server", "1.1"
        ):
            raise Expectation(f"{pulled.digest} is not what the vendor pushed")
    with step(say, "It cannot pull acme/reports, which Birch Bank has not bought"):
        _refused(machine, "acme/reports", "0.9", "not authorized to perform: ecr:BatchGetImage")
    with step(say, "Skopeo pulls it as well" + ("" if skopeo else " (not installed: skipped)")):
        if skopeo:
            _copy_with_skopeo(skopeo, machine, stack)
    with step(say, "Sandra withdraws the access"):
        sandra.get("/admin/provisioning/entitlement/?state__exact=approved")
        sandra.get(sandra.link(r"/admin/provisioning/entitlement/\d+/change/.*"))
        sandra.get(sandra.link(r"/admin/provisioning/entitlement/decide/withdraw/.*"))
        sandra.post(sandra.address, reason="The contract has ended.")
    with step(say, "The worker removes it in AWS"):
        _wait(
            wait, lambda: "vendor withdrew access" in alice.get(access), "the page to say it ended"
        )
    with step(say, "Her machine is refused"):
        _refused(machine, "acme/server", "1.1", "security token included in the request is invalid")


@contextmanager
def step(say: Say, words: str) -> Iterator[None]:
    """Print a step with the time it took, once it has succeeded."""
    began = time.monotonic()
    yield
    say(f"{time.monotonic() - began:6.2f} s  {words}")


def _wait(seconds: float, is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise Expectation(f"waited {seconds:g} s for {what}")
        time.sleep(0.3)


def _refused(machine: Machine, repository: str, tag: str, words: str) -> None:
    """Expect a refusal for the right reason."""
    try:
        machine.pull(repository, tag)
    except PullRefused as refusal:
        if words not in str(refusal):
            raise Expectation(f"refused, but with {str(refusal)!r} instead of {words!r}") from None
        return
    raise Expectation(f"{repository}:{tag} was pulled, and should have been refused")


def _copy_with_skopeo(skopeo: str, machine: Machine, stack: Stack) -> None:
    host = stack.served.url.removeprefix("http://")
    with tempfile.TemporaryDirectory() as folder:
        # The token is passed in a file: every process of the machine can read arguments.
        auth = Path(folder) / "auth.json"
        auth.write_text(json.dumps({"auths": {host: {"auth": machine.login_token()}}}))
        image = f"docker://{host}/acme/server:1.1"
        subprocess.run(  # noqa: S603 - found by which, with our own arguments
            [
                skopeo,
                "copy",
                "--authfile",
                str(auth),
                "--src-tls-verify=false",
                image,
                f"oci:{folder}/image",
            ],
            check=True,
            capture_output=True,
            timeout=SKOPEO_SECONDS,
        )
