"""The rules of the house: the contracts of import-linter, and those that it cannot express."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source import ROOT, SOURCE, TEMPLATES, TESTS, files, named

# Settings and tables of data may be as long as they need to be.
LINES = 300
NOT_COUNTED = {"portal/settings.py", "provisioning/diagnosis/client_errors.py"}
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
MEANINGLESS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def test_packages_import_only_what_the_contracts_allow() -> None:
    linted = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_no_file_of_the_source_is_too_long_to_read_at_once() -> None:
    long = {
        named(file): length
        for file in SOURCE
        if "/migrations/" not in named(file)
        and named(file) not in NOT_COUNTED
        and (length := len(file.read_text().splitlines())) > LINES
    }
    assert long == {}


def test_every_module_has_a_meaningful_name() -> None:
    assert [named(file) for file in SOURCE + TESTS if file.stem in MEANINGLESS] == []


@pytest.mark.parametrize(
    "inline",
    [
        r"<script(?![^>]*(?:\bsrc=|type=\"application/json\"))",
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


def test_every_element_is_used() -> None:
    pages = "\n".join(file.read_text() for file in TEMPLATES)
    elements = [named(file).removeprefix("templates/") for file in files("templates/elements/*")]
    assert [name for name in elements if f'"{name}"' not in pages] == []


def test_every_class_of_the_style_sheet_is_used() -> None:
    sheets = "\n".join(
        (ROOT / f"portal/static/portal/{name}.css").read_text() for name in ("site", "elements")
    )
    style = re.sub(r"/\*.*?\*/", "", sheets, flags=re.DOTALL)
    classes = set(re.findall(r"\.([a-z][\w-]+)(?=[^{}]*\{)", style))
    code = [*TEMPLATES, *SOURCE, *files("portal/static/portal/*.js")]
    words = set(re.findall(r"[\w-]+", "\n".join(file.read_text() for file in code)))
    # Django writes the first; icons are named by their state.
    assert {name for name in classes - words if not name.startswith("icon-")} <= {"errorlist"}


def test_requirements_name_no_index_and_hash_everything() -> None:
    for file in files("requirements/*.txt"):
        text = file.read_text()
        assert not re.search(r"https?:|--(extra-)?index-url|--find-links|@ (git|file)", text), file
        pinned = re.findall(r"^[a-z0-9][^\s=]*==", text, re.MULTILINE | re.IGNORECASE)
        assert pinned
        assert len(pinned) == len(re.findall(r"\\\n(?=    --hash=sha256:)", with_one_hash(text)))


def with_one_hash(text: str) -> str:
    """The text with only the first hash of every requirement."""
    return re.sub(r"(--hash=sha256:\w+)( \\\n    --hash=sha256:\w+)+", r"\1", text)


def test_no_lock_file_names_an_index() -> None:
    assert files("uv.lock", "pylock.toml", "*/uv.lock", "pip.conf", ".pypirc") == []


@pytest.mark.parametrize("file", TESTS, ids=named)
def test_every_test_is_named_by_a_sentence(file: Path) -> None:
    functions = [
        node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, FUNCTION)
    ]
    tests = [name for name in functions if name.startswith("test_")]
    assert [name for name in tests if name.count("_") < 3] == []


@pytest.mark.parametrize("file", TESTS, ids=named)
def test_no_file_imports_from_a_test_module(file: Path) -> None:
    imported = [
        node.module or ""
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
    ]
    assert [name for name in imported if name.rpartition(".")[2].startswith("test_")] == []


def test_one_module_reads_the_environment() -> None:
    # These set a default before Django reads its settings.
    starters = {"portal/celery.py", "portal/wsgi.py"}
    # The demo and its AWS pass an environment to the programs that they start.
    demo = ("provisioning/demo/", "provisioning/embedded_aws/", "provisioning/management/")
    found = {
        named(file)
        for file in SOURCE
        if re.search(r"\bos\.(environ|getenv)\b", file.read_text())
        and not named(file).startswith(demo)
    }
    assert found == {"portal/env.py"} | starters
