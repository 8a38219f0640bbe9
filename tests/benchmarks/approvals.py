"""Many approvals at once, as in production, and what they are compared with."""

import json
import os
import subprocess
import tempfile
import time
from collections import Counter
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
from tests.faults.zygote_driver import Zygote, worker_with_beat, zygote
from tests.services import postgresql, redis

PATIENCE = 600  # seconds
# The repositories of the product that is approved.
REPOSITORIES = ("acme/server", "acme/agent")
LOGIN_POLICY = f"arn:aws:iam::{seed.ACCOUNT_ID}:policy/ecr-portal/AmazonEC2ContainerRegistryLogin"


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
        pool = ["--pool", options.pool, "--concurrency", str(options.concurrency)]
        with zygote(state, **services) as portal:
            portal.run("seed", server.url)
            log = state / "worker.log"
            with worker_with_beat(state, log, *pool, "-l", "WARNING", **services) as worker:
                results = _measure(portal, aws, options)
                results["worker_cpu_ms_per_approval"] = _cpu_ms(worker.pid) / options.approvals
        loop_s = plain_loop(server.url, options.loop)
        script_s = shell_script(server.url, options.script)
    return results | {
        "worker_cpu_ms_per_approval": round(results["worker_cpu_ms_per_approval"]),
        "loop_s_per_approval": round(loop_s, 3),
        "script_s_per_approval": round(script_s, 2),
        "approvals_vs_loop": round(loop_s / results["s_per_approval"], 2),
        "approvals_vs_script": round(script_s / results["s_per_approval"], 1),
    }


def _measure(portal: Zygote, aws: EmbeddedAws, options: Any) -> dict[str, Any]:
    # The account, its repositories and the worker are warm.
    portal.run("approve_many", 1, 2_000_000)
    wait_until_ready(portal, 1)
    one_ready_s = portal.run("seconds_to_ready")
    before = len(aws.calls)
    began = time.monotonic()
    portal.run("approve_many", options.approvals)
    approved = time.monotonic()
    wait_until_ready(portal, options.approvals + 1)
    took = time.monotonic() - began
    calls = [call for call in aws.calls[before:] if not call.caller.is_root]
    of_iam = sum(call.service == "iam" for call in calls)
    operations = Counter(call.operation for call in calls)
    return {
        "approvals_s": round(took, 1),
        "of_which_approving_s": round(approved - began, 1),
        "s_per_approval": round(took / options.approvals, 4),
        "one_ready_s": round(one_ready_s, 1),
        "iam_calls_per_approval": round(of_iam / options.approvals, 2),
        "aws_calls_per_approval": round(len(calls) / options.approvals, 2),
        "set_policy_per_1000": round(1_000 * operations["SetRepositoryPolicy"] / options.approvals),
        "calls": dict(operations.most_common()),
    }


def wait_until_ready(portal: Zygote, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while portal.run("count_ready") < number:
        assert time.monotonic() < deadline, f"not ready after {PATIENCE} s"
        time.sleep(0.5)


def _cpu_ms(pid: int) -> float:
    """Of a process and the processes that it has begun, until now."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    own = 1_000 * ticks / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu_ms(int(child)) for child in children)


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


SCRIPT = """
set -eu
for count in $(seq "$1"); do
    arn=$(aws iam create-user --user-name "script-$count" --path /script/ \\
        --query User.Arn --output text)
    aws iam attach-user-policy --user-name "script-$count" --policy-arn "$2"
    aws iam create-access-key --user-name "script-$count" > /dev/null
    aws ecr get-repository-policy --repository-name "$3" > /dev/null
    aws ecr set-repository-policy --repository-name "$3" --policy-text "$(printf "$4" "$arn")" \\
        > /dev/null
done
"""


def shell_script(url: str, number: int) -> float:
    """Seconds an approval of a shell script that makes the same calls with ``aws``."""
    statement = policies.pull_statement(["%s"], policies.Owner("Script"))
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": seed.REGION,
        "AWS_DEFAULT_REGION": seed.REGION,
        "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_ACCESS_KEY,
    }
    began = time.monotonic()
    subprocess.run(
        ["sh", "-c", SCRIPT, "sh", str(number), LOGIN_POLICY, REPOSITORIES[0], text],
        env=environment,
        check=True,
    )
    return (time.monotonic() - began) / number


def _client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=seed.REGION,
        aws_access_key_id=ROOT_ACCESS_KEY_ID,
        aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
    )
