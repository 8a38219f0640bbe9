"""``make bench``: many approvals at once on PostgreSQL, Redis and an AWS whose calls take time,
beside a plain loop of boto3 that makes the same changes.

Prints a table, and writes ``var/bench/results.json``.
"""

import json
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from provisioning.demo import seed
from provisioning.documents import names, policies
from provisioning.embedded_aws import (
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Config,
    EmbeddedAws,
)
from tests.faults.zygote_driver import ROOT, Zygote, clean_environment, zygote
from tests.services import postgresql, redis

RESULTS = ROOT / "var/bench/results.json"
PATIENCE = 600  # seconds
# The repositories of the product that is approved.
REPOSITORIES = ("acme/server", "acme/agent")
LOGIN_POLICY = f"arn:aws:iam::{seed.ACCOUNT_ID}:policy/ecr-portal/AmazonEC2ContainerRegistryLogin"


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--approvals", type=int, default=300)
    parser.add_argument("--loop", type=int, default=40, help="Approvals of the plain loop.")
    parser.add_argument("--call-ms", type=float, default=40, help="How long each AWS call takes.")
    parser.add_argument("--pool", default="prefork", choices=["prefork", "threads"])
    parser.add_argument("--concurrency", type=int, default=8)
    options = parser.parse_args()
    results = run(options)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    for name, value in results.items():
        print(f"{name:24} {value}")  # noqa: T201 - that is what it is for


def run(options: Any) -> dict[str, Any]:
    aws = EmbeddedAws(Config(call_seconds=options.call_ms / 1_000))
    seed.stock(aws)
    with (
        aws.serve() as server,
        postgresql() as database,
        redis() as broker,
        tempfile.TemporaryDirectory() as folder,
    ):
        state = Path(folder)
        services = {"DATABASE_URL": database, "BROKER_URL": broker}
        with zygote(state, **services, REPOSITORY_WRITE_INTERVAL_SECONDS="5") as portal:
            portal.run("seed", server.url)
            with worker(state, services, options):
                results = _measure(portal, aws, options)
            results |= portal.run("approve_one_and_count")
        loop_s = plain_loop(server.url, options.loop)
    results["loop_s_per_approval"] = round(loop_s, 3)
    results["approvals_vs_loop"] = round(loop_s / results["s_per_approval"], 2)
    return results


@contextmanager
def worker(state: Path, services: dict[str, str], options: Any) -> Iterator[None]:
    """Celery's worker with beat, as in production apart from its AWS and its pace."""
    command = [sys.executable, "-m", "celery", "-A", "portal", "worker", "--beat", "-l", "WARNING"]
    command += ["--pool", options.pool, "--concurrency", str(options.concurrency)]
    environment = clean_environment(state) | services
    environment |= {"REPOSITORY_WRITE_INTERVAL_SECONDS": "5"}
    with (state / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def _measure(portal: Zygote, aws: EmbeddedAws, options: Any) -> dict[str, Any]:
    # The account, its repositories and the worker are warm.
    portal.run("approve_many", 1, 2_000_000)
    _wait_for(portal, 1)
    one_ready_s = portal.run("seconds_to_ready")
    before = len(aws.calls)
    began = time.monotonic()
    portal.run("approve_many", options.approvals)
    approved = time.monotonic()
    _wait_for(portal, options.approvals + 1)
    took = time.monotonic() - began
    calls = [call for call in aws.calls[before:] if not call.caller.is_root]
    of_iam = sum(call.service == "iam" for call in calls)
    operations = Counter(call.operation for call in calls)
    return {
        "approvals": options.approvals,
        "call_ms": options.call_ms,
        "pool": f"{options.pool} {options.concurrency}",
        "seconds": round(took, 1),
        "of_which_approving_s": round(approved - began, 1),
        "s_per_approval": round(took / options.approvals, 4),
        "one_ready_s": round(one_ready_s, 1),
        "iam_calls_per_approval": round(of_iam / options.approvals, 2),
        "aws_calls_per_approval": round(len(calls) / options.approvals, 2),
        "set_policy_per_1000": round(1_000 * operations["SetRepositoryPolicy"] / options.approvals),
        "calls": dict(operations.most_common()),
    }


def _wait_for(portal: Zygote, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while portal.run("count_ready") < number:
        assert time.monotonic() < deadline, f"not ready after {PATIENCE} s"
        time.sleep(0.5)


# --- What it is compared with --------------------------------------------------------


def plain_loop(url: str, number: int) -> float:
    """Seconds an approval of a loop that makes five calls for each: a user, its sign-in policy, a
    key, and the policy of one repository, read and set."""
    iam, ecr = (_client(service, url) for service in ("iam", "ecr"))
    arns: list[str] = []
    began = time.monotonic()
    for count in range(number):
        name = f"loop-{count}"
        tags = [{"Key": key, "Value": value} for key, value in names.user_tags(name, "x").items()]
        user = iam.create_user(UserName=name, Path="/loop/", Tags=tags)["User"]
        iam.attach_user_policy(UserName=name, PolicyArn=LOGIN_POLICY)
        iam.create_access_key(UserName=name)
        arns.append(user["Arn"])
        ecr.get_repository_policy(repositoryName=REPOSITORIES[0])
        statement = policies.pull_statement(arns[-20:], policies.Owner("Loop"))
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        ecr.set_repository_policy(repositoryName=REPOSITORIES[0], policyText=text)
    return (time.monotonic() - began) / number


def _client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=seed.REGION,
        aws_access_key_id=ROOT_ACCESS_KEY_ID,
        aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
    )
