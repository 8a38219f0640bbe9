"""The files for deployment agree with the settings, and the settings with Django's checks."""

import ast
import base64
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

from tests.compose import COMPOSE, PORTAL, ROOT, SERVICES

DOCKERFILE = (ROOT / "Dockerfile").read_text()
ENV_LINE = re.compile(r"^(?P<is_default># )?(?P<name>[A-Z][A-Z_]+)=(?P<value>.*)$", re.MULTILINE)
ENV_EXAMPLE = (ROOT / ".env.example").read_text()


def reads_of_the_settings() -> dict[str, ast.expr | None]:
    """Every call ``env.<reader>("NAME", default)`` in the settings, as name → default."""
    tree = ast.parse((ROOT / "portal" / "settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        ast.literal_eval(call.args[0]): _default(call)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
    }


def _default(call: ast.Call) -> ast.expr | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "default"]
    default = (call.args[1:] + named + [None])[0]
    # "… if EMBEDDED else …": production's.
    return default.orelse if isinstance(default, ast.IfExp) else default


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """The environment of the web service: .env copied from the example, and secrets in files as
    Docker mounts them."""
    secrets = {
        "audit_keys": "2026:" + token(32),
        "broker_url": "redis://:password@127.0.0.1:9/0",
        "database_url": "postgres://portal:password@127.0.0.1:9/portal",
        "email_password": "",
        "secret_key": token(48),
        "vault_keys": "2026:" + token(32),
    }
    for name, value in secrets.items():
        (tmp_path / name).write_text(value + "\n")
    lines = ENV_LINE.finditer(ENV_EXAMPLE)
    copied = {line["name"]: line["value"] for line in lines if not line["is_default"]}
    given = {
        name: str(value).replace("/run/secrets", str(tmp_path))
        for name, value in SERVICES["web"]["environment"].items()
    }
    folders = {"STATE_DIR": str(tmp_path), "STATIC_ROOT": str(tmp_path)}
    return {"PATH": os.environ["PATH"], **folders, **copied, **given}


def token(length: int) -> str:
    """What ``openssl rand -base64 LENGTH`` prints."""
    return base64.b64encode(os.urandom(length)).decode()


def run(command: list[str], environment: dict[str, str], folder: Path = ROOT) -> str:
    """Run Python with these arguments and return what it printed. It must succeed."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", *command],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


# --- AWS ---------------------------------------------------------------------------


def test_only_web_and_workers_have_the_keys() -> None:
    for name in PORTAL:
        has_keys = {"vault_keys", "audit_keys"} <= set(SERVICES[name]["secrets"])
        assert has_keys is (name in {"web", "worker", "observer"})
        assert SERVICES[name]["environment"]["WITHOUT_KEYS"] == str(not has_keys).lower()


def test_process_without_keys_starts(production: dict[str, str]) -> None:
    names = {"VAULT_KEYS_FILE", "AUDIT_KEYS_FILE", "WITHOUT_KEYS"}
    without = {name: value for name, value in production.items() if name not in names}
    run(["manage.py", "check", "--deploy"], without | {"WITHOUT_KEYS": "true"})


def test_only_the_workers_know_aws() -> None:
    for name in PORTAL:
        files = SERVICES[name]["env_file"]
        assert ("aws.env" in str(files)) is (name in {"worker", "observer"}), name
        assert "AWS_ACCESS_KEY_ID" not in str(SERVICES[name].get("environment"))
    assert "AWS_ACCESS_KEY_ID" not in ENV_EXAMPLE


# --- The settings ------------------------------------------------------------------


def test_production_settings_leave_django_nothing_to_warn_of(production: dict[str, str]) -> None:
    output = run(["manage.py", "check", "--deploy", "--fail-level", "WARNING"], production)
    assert output == "System check identified no issues (0 silenced).\n"


def test_env_example_lists_exactly_what_the_settings_read() -> None:
    listed = [line["name"] for line in ENV_LINE.finditer(ENV_EXAMPLE)]
    assert sorted(listed) == sorted(reads_of_the_settings())


def test_env_example_explains_every_setting() -> None:
    for line in ENV_LINE.finditer(ENV_EXAMPLE):
        above = ENV_EXAMPLE[: line.start()].splitlines()[-1]
        assert above.startswith("# "), line["name"]
        assert not ENV_LINE.match(above), line["name"]


def test_env_example_shows_the_defaults_of_the_settings() -> None:
    defaults = {
        name: str(default.value).lower()
        for name, default in reads_of_the_settings().items()
        if isinstance(default, ast.Constant) and default.value not in (None, "")
    }
    shown = {line["name"]: line["value"].lower() for line in ENV_LINE.finditer(ENV_EXAMPLE)}
    assert defaults.keys() >= {"DEBUG", "SWEEP_SECONDS", "AWS_PATH"}
    assert {name: shown[name] for name in defaults} == defaults


# --- docker-compose.yml ------------------------------------------------------------


@pytest.mark.parametrize("service", sorted(PORTAL))
def test_compose_sets_only_what_the_settings_read(service: str) -> None:
    given = {name.removesuffix("_FILE") for name in SERVICES[service]["environment"]}
    assert given <= reads_of_the_settings().keys()


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_service_reads_exactly_the_secrets_that_it_is_given(service: str) -> None:
    environment: dict[str, str] = SERVICES[service].get("environment", {})
    read = {value for name, value in environment.items() if name.endswith("_FILE")}
    given = SERVICES[service].get("secrets", [])
    assert read == {f"/run/secrets/{name}" for name in given}
    assert set(given) <= COMPOSE["secrets"].keys()


def test_every_secret_is_a_file_that_some_service_reads() -> None:
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == COMPOSE["secrets"].keys()
    assert all(secret == {"file": f"secrets/{name}"} for name, secret in COMPOSE["secrets"].items())


def test_no_secret_stands_in_the_environment_of_a_service() -> None:
    secrets = {name.upper() for name in COMPOSE["secrets"]}
    for service in SERVICES.values():
        assert not secrets & set(service.get("environment", {}))


def test_every_image_is_pinned_to_a_version() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in [*bases, *(service["image"] for service in SERVICES.values())]:
        assert re.search(r":\d+[.\d]*", image), image


def test_image_is_tagged_with_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {SERVICES[name]["image"] for name in PORTAL} == {f"ecr-portal:{version}"}


def test_nothing_serves_before_the_migrations_are_done() -> None:
    for name in PORTAL - {"migrate"}:
        waits = SERVICES[name]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["restart"] == "no"


def test_database_and_broker_are_reached_from_inside_only() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_web_is_published_to_the_proxy_of_this_host_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"]}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_no_service_writes_to_its_image_or_gains_privileges(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]


def test_beat_keeps_its_schedule_in_a_volume_of_its_own() -> None:
    (volume,) = SERVICES["beat"]["volumes"]
    name, folder = volume.split(":")
    assert name in COMPOSE["volumes"]
    assert f"STATE_DIR={folder}" in DOCKERFILE


def test_every_thread_of_web_finds_a_connection(production: dict[str, str]) -> None:
    command = shlex.split(SERVICES["web"]["command"])
    threads = int(command[command.index("--threads") + 1])
    words = "from portal import settings; print(settings.DATABASES['default'])"
    pool = production["DATABASE_POOL"]
    assert int(pool) >= threads
    assert f"'max_size': {pool}" in run(["-c", words], production)
    assert "DATABASE_POOL" not in SERVICES["worker"]["environment"]
    of_worker = run(["-c", words], {**production, "DATABASE_POOL": "0"})
    assert "pool" not in of_worker
    assert "'CONN_MAX_AGE': 600" in of_worker


def test_web_processes_share_the_rate_limits_of_sign_in_without_redis(
    production: dict[str, str],
) -> None:
    words = "from django.conf import settings; print(settings.CACHES['default']['BACKEND'])"
    output = run(["manage.py", "shell", "--no-imports", "-c", words], production)
    assert output.strip() == "accounts.cache.DatabaseCache"


def test_web_command_starts_the_site_with_its_settings(production: dict[str, str]) -> None:
    gunicorn, *arguments = shlex.split(SERVICES["web"]["command"])
    run(["-m", gunicorn, "--check-config", *arguments], production)


def test_each_queue_has_workers() -> None:
    taken: list[str] = []
    for name in ("worker", "observer"):
        command = shlex.split(SERVICES[name]["command"])
        taken += command[command.index("--queues") + 1].split(",")
    assert sorted(taken) == sorted(settings.CELERY_TASK_QUEUES)


@pytest.mark.parametrize("service", ["worker", "observer", "beat"])
def test_celery_command_finds_the_app_and_its_options(
    service: str, production: dict[str, str]
) -> None:
    celery, *arguments = shlex.split(SERVICES[service]["command"])
    assert "Usage: python -m celery" in run(["-m", celery, *arguments, "--help"], production)


# --- Dockerfile --------------------------------------------------------------------


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The files that COPY brings into the image, by .dockerignore."""
    folder = tmp_path / "image"
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    taken = [rule[1:] for rule in rules if rule.startswith("!")]
    left_out = [rule for rule in rules if not rule.startswith(("!", "*"))]
    for file in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        if within(file, taken) and not within(file, left_out) and (ROOT / file).exists():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes((ROOT / file).read_bytes())
    return folder


def within(file: str, folders: list[str]) -> bool:
    return any(file == folder or file.startswith(f"{folder}/") for folder in folders)


def test_image_works_without_the_demo_and_its_aws(image: Path, production: dict[str, str]) -> None:
    assert (image / "templates" / "base.html").exists()
    assert not (image / "provisioning" / "demo").exists()
    assert not (image / "provisioning" / "embedded_aws").exists()
    output = run(["manage.py", "check", "--deploy", "--fail-level", "WARNING"], production, image)
    assert "no issues" in output


def test_image_collects_the_static_files_when_it_is_built(image: Path) -> None:
    folded = DOCKERFILE.replace("\\\n", " ")
    words = shlex.split(next(line for line in folded.splitlines() if line.startswith("RUN env")))
    at = words.index("/venv/bin/python")
    environment = dict(word.split("=", 1) for word in words[2:at])
    output = run(words[at + 1 :], {"PATH": os.environ["PATH"], **environment}, image)
    assert "static files copied" in output
    assert (image / "staticfiles" / "staticfiles.json").exists()


def test_image_runs_as_an_unprivileged_user_and_checks_hashes() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER \d{4,}$", last_stage, re.MULTILINE)
    assert "--require-hashes" in DOCKERFILE
