"""Rules for the text of every template, except emails."""

import re
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).parents[2] / "templates"
PAGES = [path for path in sorted(TEMPLATES.rglob("*.html")) if "emails" not in path.parts]
FRAGMENTS = sorted((TEMPLATES / "elements").glob("[a-z]*.html"))

# A script with a source, or data that no browser runs, is not inline.
INLINE = re.compile(
    r"""<style|\sstyle\s*=|<script(?![^>]*(\ssrc=|application/json))|\son\w+\s*=|\shx-on|javascript:"""
)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_template_has_no_inline_script_or_style(path: Path) -> None:
    assert INLINE.search(path.read_text()) is None


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_fragment_says_at_its_top_what_it_takes(path: Path) -> None:
    assert path.read_text().startswith("{% comment %}\n")
