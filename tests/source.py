"""The files of the repository."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("accounts", "portal", "provisioning")


def files(*patterns: str) -> list[Path]:
    """The files of the repository that match, whether committed or new."""
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
