"""The instructions for clusters, charts and pipelines, run as they are rendered, as far as
that goes without the service that they are for."""

import base64
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioning.demo import seed
from tests.requires import CLIENTS
from tests.stories.machine import CustomerMachine
from tests.stories.portal import Block
from tests.stories.proof import WITHOUT_ITS_SERVICE, record
from tests.stories.sandbox import Result
from tests.stories.world import Purchase, assert_refused

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.timeout(300)]

HOST = f"{seed.ACCOUNT_ID}.dkr.ecr.{seed.REGION}.amazonaws.com"
SERVER = f"{HOST}/acme/server:1.1"
WITHOUT_A_CLUSTER = (
    "The files checked against Kubernetes' schemas, and everything run that needs no cluster,"
)
APPLY = " | kubectl apply -f -"


def block(blocks: list[Block], file: str) -> Block:
    (found,) = [block for block in blocks if block.file == file]
    return found


def obeys(schema: str, file: Path) -> None:
    """The file is what its service's published schema says."""
    command = {
        "kubernetes": ["kubernetes-validate", "--strict", "--quiet"],
        "github": ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        "gitlab": ["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci"],
        "compose": ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"],
    }[schema]
    program, *options = command
    checked = subprocess.run(
        [str(CLIENTS / program), *options, str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def assert_pulls(machine: CustomerMachine, secret: dict[str, Any]) -> None:
    """With a pull secret of Kubernetes, and with nothing else."""
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    config = base64.b64decode(secret["data"][".dockerconfigjson"]).decode()
    copy = f"skopeo copy --authfile /dev/stdin docker://{SERVER} dir:pulled"
    pulled = machine.box.run(copy, stdin=config, home=f"{machine.name}-node")
    assert pulled.code == 0, pulled.words


def run_in_pipeline(bought: Purchase, lines: list[str], name: str) -> Result:
    """What a runner does: the credentials in the environment, and the lines in a shell that
    stops at the first error."""
    revealed = bought.revealed
    names = f"export AWS_ACCESS_KEY_ID={shlex.quote(revealed.access_key_id)}"
    names += f" AWS_SECRET_ACCESS_KEY={shlex.quote(revealed.secret_access_key)}"
    return bought.box.run("\n".join([names, "set -e", *lines]), aws="v2", home=name)


# --- Charts ------------------------------------------------------------------------


def test_helm_pulls_a_chart_by_the_pages_commands(bought: Purchase) -> None:
    charts = bought.person.instructions(bought.page, seed.CHART)
    machine = CustomerMachine(bought.box, "helm", "helm", charts, bought.revealed)
    machine.set_up()
    assert_refused(machine.pull(), "basic credential not found")
    signed_in = machine.sign_in()
    assert signed_in.code == 0, signed_in.words
    pulled = machine.pull()
    assert pulled.code == 0, pulled.words
    assert machine.run(f"tar -tf chart-{seed.CHART_VERSION}.tgz").stdout == (
        "chart/\nchart/Chart.yaml\n"
    )
    record(bought.box, "helm", "Helm", "AWS CLI")


# --- Clusters ----------------------------------------------------------------------


def test_pull_secret_made_by_hand_pulls(bought: Purchase) -> None:
    machine = bought.machine("kubernetes")
    _, make, pod, _ = bought.blocks["kubernetes"]
    assert make.text.endswith(APPLY)
    made = machine.run(make.text.removesuffix(APPLY))
    assert made.code == 0, made.words
    secret = yaml.safe_load(made.stdout)
    assert_pulls(machine, secret)

    obeys("kubernetes", bought.box.folder / machine.name / pod.file)
    spec = yaml.safe_load(pod.text)["spec"]
    assert spec["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]
    assert spec["containers"][0]["image"] == SERVER
    record(bought.box, "kubernetes", "kubectl", "AWS CLI", what=WITHOUT_A_CLUSTER)


def test_job_that_renews_the_pull_secret_writes_one_that_pulls(bought: Purchase) -> None:
    machine = bought.machine("kubernetes-cronjob")
    _, give, make, renew, start, *_ = bought.blocks["kubernetes-cronjob"]
    manifests = bought.box.folder / machine.name / renew.file
    obeys("kubernetes", manifests)
    account, role, binding, job = yaml.safe_load_all(renew.text)
    assert f"kubectl apply -f {renew.file}" in start.text
    assert f"--from=cronjob/{job['metadata']['name']} " in start.text

    made = machine.run(f"{give.text} --dry-run=client -o yaml")
    credentials = yaml.safe_load(made.stdout)
    environment = {
        name: base64.b64decode(value).decode() for name, value in credentials["data"].items()
    }
    assert environment == {
        "AWS_ACCESS_KEY_ID": bought.revealed.access_key_id,
        "AWS_SECRET_ACCESS_KEY": bought.revealed.secret_access_key,
    }
    empty = machine.run(f"{make.text} --dry-run=client -o yaml").stdout
    pull_secret = yaml.safe_load(empty)["metadata"]["name"]

    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (token,), (patch,) = pod["initContainers"], pod["containers"]
    assert token["envFrom"] == [{"secretRef": {"name": credentials["metadata"]["name"]}}]
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    script = shlex.join([*token["command"], *token["args"]])
    written = bought.box.run(
        f"mkdir -p {token['volumeMounts'][0]['mountPath']} && env {exports} {script}",
        aws="v2",
        home="job",
    )
    assert written.code == 0, written.words

    # kubectl does the same to a file as it does to the cluster's secret.
    (option,) = [word for word in patch["args"] if word.startswith("--patch-file=")]
    assert patch["args"] == ["patch", "secret", pull_secret, option]
    patched = machine.run(f"kubectl patch --local -f /dev/stdin {option} -o yaml", stdin=empty)
    assert patched.code == 0, patched.words
    assert_pulls(machine, yaml.safe_load(patched.stdout))

    # It may touch that secret, and nothing else.
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [pull_secret],
            "verbs": ["get", "patch"],
        }
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": pod["serviceAccountName"]}]
    record(bought.box, "kubernetes-cronjob", "kubectl", "AWS CLI", what=WITHOUT_A_CLUSTER)


# --- Pipelines ---------------------------------------------------------------------


def test_github_job_pulls(bought: Purchase, tmp_path: Path) -> None:
    (workflow,) = bought.blocks["github-actions"]
    file = tmp_path / "pull.yml"
    file.write_text(workflow.text)
    obeys("github", file)
    (job,) = yaml.safe_load(workflow.text)["jobs"].values()
    sign_in, pull = job["steps"]
    secrets = "${{{{ secrets.ACME_SOFTWARE_{} }}}}"
    assert sign_in["env"] == {
        "AWS_ACCESS_KEY_ID": secrets.format("ACCESS_KEY_ID"),
        "AWS_SECRET_ACCESS_KEY": secrets.format("SECRET_ACCESS_KEY"),
    }
    ran = run_in_pipeline(bought, [sign_in["run"], pull["run"]], "github")
    assert ran.code == 0, ran.words
    assert "Digest: sha256:" in ran.stdout
    record(bought.box, "github-actions", "Docker", "AWS CLI", what=WITHOUT_ITS_SERVICE)


def test_gitlab_job_pulls(bought: Purchase, tmp_path: Path) -> None:
    (pipeline,) = bought.blocks["gitlab-ci"]
    file = tmp_path / "gitlab-ci.yml"
    file.write_text(pipeline.text)
    obeys("gitlab", file)
    read = yaml.safe_load(pipeline.text)
    job = read["pull-server"]
    assert job["stage"] in read["stages"]
    ran = run_in_pipeline(bought, job["script"], "gitlab")
    assert ran.code == 0, ran.words
    assert "Digest: sha256:" in ran.stdout
    record(bought.box, "gitlab-ci", "Docker", "AWS CLI", what=WITHOUT_ITS_SERVICE)


def test_commands_of_the_jenkins_pipeline_pull(bought: Purchase) -> None:
    (pipeline,) = bought.blocks["jenkins"]
    lines = re.findall(r"sh '([^'\\]+)'", pipeline.text)
    assert len(lines) == pipeline.text.count("sh '") == 2
    assert pipeline.text.count("{") == pipeline.text.count("}")
    ran = run_in_pipeline(bought, lines, "jenkins")
    assert ran.code == 0, ran.words
    assert "Digest: sha256:" in ran.stdout
    record(bought.box, "jenkins", "Docker", "AWS CLI", what="The commands of its steps run")


def test_compose_file_is_what_compose_says(bought: Purchase, tmp_path: Path) -> None:
    compose = block(bought.blocks["compose"], "compose.yaml")
    file = tmp_path / compose.file
    file.write_text(compose.text)
    obeys("compose", file)
    assert yaml.safe_load(compose.text) == {"services": {"server": {"image": SERVER}}}
