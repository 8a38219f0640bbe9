"""An isolated machine in which real clients run the literal commands of a page.

Namespaces of mount, network and processes, made by ``unshare``: its own /etc/hosts, store
of certificates, port 443, HOME and daemons; no route out; nothing to restore, and nothing
left when the first process of the namespace ends. Needs root.
"""

import ctypes
import datetime
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.requires import CLIENTS

ROOT = Path(__file__).resolve().parent.parent.parent
MANAGE = [sys.executable, "manage.py"]
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
CA_STORE = "/etc/ssl/certs/ca-certificates.crt"
ADDRESS = "192.0.2.10"  # of a range kept for documentation: no machine has it
CLONE_NEWNET = 0x40000000

# Its own file systems where daemons and clients write, and its own names and authority.
SET_UP = """
set -e
mount --make-rprivate /
for folder in /run /var/lib/docker /var/lib/containerd /var/lib/containers; do
    mkdir -p $folder && mount -t tmpfs tmpfs $folder
done
# docker uses the keyring of a desktop if it finds the program for it; there is no desktop.
for store in /usr/bin/docker-credential-secretservice /usr/bin/docker-credential-pass; do
    if [ -e $store ]; then mount --bind /dev/null $store; fi
done
mount --bind {folder}/hosts /etc/hosts
mount --bind {folder}/store.pem {store}
ip link set lo up
# Not 127.0.0.1: docker would take a registry there without TLS.
ip address add {address}/32 dev lo
touch {folder}/ready
exec sleep infinity
"""


@dataclass(frozen=True)
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """Everything it printed."""
        return self.stdout + self.stderr


@dataclass
class Sandbox:
    """Made by ``sandbox``. ``folder`` is on the machine's disk and seen from both sides."""

    folder: Path
    pid: int
    servers: list[subprocess.Popen[bytes]]

    @property
    def certificate(self) -> tuple[Path, Path]:
        return self.folder / "server.pem", self.folder / "server.key"

    def environment(self, *, aws: str = "v1", home: str = "home") -> dict[str, str]:
        """A clean environment. ``aws``: which version of the AWS CLI is called ``aws``; ``home``:
        whose machine it is."""
        return {
            "PATH": f"{self.folder}/aws-{aws}:{SYSTEM_PATH}",
            "HOME": str(self.folder / home),
            "XDG_RUNTIME_DIR": str(self.folder / home / "run"),
            # botocore and the AWS CLI have a certificate store of their own.
            "AWS_CA_BUNDLE": CA_STORE,
            "REQUESTS_CA_BUNDLE": CA_STORE,
            "LANG": "C.UTF-8",
        }

    def run(
        self,
        command: str,
        *,
        stdin: str = "",
        aws: str = "v1",
        home: str = "home",
        timeout: float = 60,
    ) -> Result:
        """Run a line in bash, as a person would have typed it."""
        self._prepare(self.folder / home)
        ended = subprocess.run(
            [*self._enter(), "bash", "-c", f"set -o pipefail; cd; {command}"],
            input=stdin,
            env=self.environment(aws=aws, home=home),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(ended.returncode, ended.stdout, ended.stderr)

    def _prepare(self, home: Path) -> None:
        """Docker looks for Compose in the home folder."""
        compose = home / ".docker" / "cli-plugins" / "docker-compose"
        if not compose.is_symlink():
            (home / "run").mkdir(parents=True)
            compose.parent.mkdir(parents=True)
            compose.symlink_to(CLIENTS / "docker-compose")

    def start(self, name: str, arguments: list[str], environment: dict[str, str]) -> Path:
        """Start a server; it ends with the sandbox. Returns its log."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [*self._enter(), *arguments],
                env=self.environment() | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.servers.append(server)
        return log

    def start_embedded_aws(self, *options: str) -> None:
        """At AWS's own names, with TLS."""
        certificate, key = self.certificate
        where = f"--host {ADDRESS} --port 443 --certificate {certificate} --key {key}"
        log = self.start(
            "aws",
            [*MANAGE, "embedded_aws", "--real-names", *where.split(), *options],
            {"EMBEDDED": "true", "STATE_DIR": str(self.folder / "aws-state")},
        )
        self.wait_for("curl -sS https://sts.amazonaws.com/", log)

    def start_docker(self) -> None:
        options = "--bridge=none --iptables=false --storage-driver=vfs"
        log = self.start("docker", ["dockerd", *options.split()], {})
        self.wait_for("docker version", log)

    def start_containerd(self) -> None:
        log = self.start("containerd", ["containerd"], {})
        self.wait_for("ctr version", log)

    def wait_for(self, command: str, log: Path, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while self.run(command).code != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{command!r} fails after {seconds} s.\n{log.read_text()[-3000:]}"
                )
            time.sleep(0.1)

    @contextmanager
    def network(self) -> Iterator[None]:
        """Within, this thread is on the sandbox's network: its loopback, its ports."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net") as own, open(f"/proc/{self.pid}/ns/net") as its:  # noqa: PTH123
            _check(libc.setns(its.fileno(), CLONE_NEWNET))
            try:
                yield
            finally:
                _check(libc.setns(own.fileno(), CLONE_NEWNET))

    def _enter(self) -> list[str]:
        spaces = ["--mount", "--net", "--pid"]
        return ["nsenter", "--target", str(self.pid), *spaces, f"--wdns={ROOT}"]


def _check(code: int) -> None:
    if code != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def sandbox(hosts: list[str]) -> Iterator[Sandbox]:
    """A sandbox in which ``hosts`` are names of its own, with certificates it trusts."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
    folder.chmod(0o755)
    programs = {"v1": Path(sys.executable).parent / "aws", "v2": Path("/usr/bin/aws")}
    for version, program in programs.items():
        (folder / f"aws-{version}").mkdir()
        (folder / f"aws-{version}" / "aws").symlink_to(program)
        for client in ("helm", "kubectl"):
            (folder / f"aws-{version}" / client).symlink_to(CLIENTS / client)
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {' '.join(hosts)}\n")
    _certify(folder, hosts)
    set_up = SET_UP.format(folder=folder, store=CA_STORE, address=ADDRESS)
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with (folder / "holder.log").open("wb") as log:
        holder = subprocess.Popen(
            [*unshare, "bash", "-c", set_up],
            env={"PATH": SYSTEM_PATH},
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    servers: list[subprocess.Popen[bytes]] = []
    try:
        yield Sandbox(folder, _first_process(holder, folder), servers)
    finally:
        # The namespace's first process goes with its parent, and all others with it.
        holder.kill()
        for process in (holder, *servers):
            process.wait(timeout=20)
        shutil.rmtree(folder)


def _first_process(holder: subprocess.Popen[bytes], folder: Path) -> int:
    """The pid, as seen from here, of the namespace's first process."""
    deadline = time.monotonic() + 20
    while not (folder / "ready").exists():
        if holder.poll() is not None or time.monotonic() > deadline:
            words = (folder / "holder.log").read_text()
            raise RuntimeError(f"The sandbox did not come up: {words}")
        time.sleep(0.02)
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text()
    return int(children.split()[0])


def _certify(folder: Path, hosts: list[str]) -> None:
    """An authority for this run, a certificate for the hosts, and a store that trusts it."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = _name("Authority of a test's sandbox")
    authority = (
        _certificate(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _certificate(_name("AWS of a test's sandbox"), issuer, key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "store.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _name(words: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def aws_hosts(account_id: str, region: str) -> list[str]:
    """AWS's own names that the clients and the portal use."""
    return [
        f"{account_id}.dkr.ecr.{region}.amazonaws.com",
        f"api.ecr.{region}.amazonaws.com",
        "iam.amazonaws.com",
        "sts.amazonaws.com",
        f"sts.{region}.amazonaws.com",
    ]
