"""The house's rules: the contracts of import-linter, and those that it cannot hold."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("accounts", "portal", "provisioning")
LINES = 300
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def files(*patterns: str) -> list[Path]:
    """The files of the repository that match, as git knows them or soon will."""
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        text=True,
    )
    found = [ROOT / name for name in listed.splitlines()]
    return [file for file in found if file.exists()]


SOURCE = [file for package in PACKAGES for file in files(f"{package}/*.py")]
TESTS = files("tests/*.py")
TEMPLATES = files("templates/*.html", "*/templates/*.html")


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_rooms_import_only_whom_they_may() -> None:
    linted = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_no_file_of_the_source_is_longer_than_a_room_should_be() -> None:
    long = {
        named(file): length
        for file in SOURCE
        if "/migrations/" not in named(file)
        and (length := len(file.read_text().splitlines())) > LINES
    }
    assert long == {}


def test_every_module_is_named_for_a_noun_or_a_deed() -> None:
    assert [named(file) for file in SOURCE + TESTS if file.stem in SAYS_NOTHING] == []


@pytest.mark.parametrize(
    "inline",
    [
        r"<script(?![^>]*\bsrc=)",
        r"<style\b",
        r"<[a-z][^>]*\sstyle=",
        r"<[a-z][^>]*\son[a-z]+=",
        r"(?:href|src|action)=[\"']?javascript:",
        r"\bhx-on\b",
    ],
)
def test_templates_have_neither_inline_script_nor_style(inline: str) -> None:
    assert TEMPLATES
    found = {
        named(template): match[0]
        for template in TEMPLATES
        if "/emails/" not in named(template)
        and (match := re.search(inline, template.read_text(), re.IGNORECASE))
    }
    assert found == {}


def test_requirements_name_no_index_and_hash_everything() -> None:
    for file in files("requirements/*.txt"):
        text = file.read_text()
        assert not re.search(r"https?:|--(extra-)?index-url|--find-links|@ (git|file)", text), file
        pinned = re.findall(r"^[a-z0-9][^\s=]*==", text, re.MULTILINE | re.IGNORECASE)
        assert pinned
        assert len(pinned) == len(re.findall(r"\\\n(?=    --hash=sha256:)", split_once(text)))


def split_once(text: str) -> str:
    """The text with only the first hash of every requirement."""
    return re.sub(r"(--hash=sha256:\w+)( \\\n    --hash=sha256:\w+)+", r"\1", text)


def test_no_file_carries_a_lock_that_would_name_an_index() -> None:
    assert files("uv.lock", "pylock.toml", "*/uv.lock", "pip.conf", ".pypirc") == []


@pytest.mark.parametrize("file", TESTS, ids=named)
def test_every_test_is_named_by_a_sentence(file: Path) -> None:
    functions = [
        node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, FUNCTION)
    ]
    tests = [name for name in functions if name.startswith("test_")]
    assert [name for name in tests if name.count("_") < 3] == []


def test_one_module_reads_the_environment() -> None:
    # These set a default before Django reads its own.
    starters = {"portal/celery.py", "portal/wsgi.py"}
    # The demo and its AWS hand an environment to the programs that they start.
    demo = ("provisioning/demo/", "provisioning/embedded_aws/", "provisioning/management/")
    found = {
        named(file)
        for file in SOURCE
        if re.search(r"\bos\.(environ|getenv)\b", file.read_text())
        and not named(file).startswith(demo)
    }
    assert found == {"portal/env.py"} | starters
