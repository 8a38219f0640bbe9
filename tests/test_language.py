"""Pages, emails, messages and documentation are in plain English: the words that the house has
left behind do not come back."""

import ast
import re
from pathlib import Path

import pytest

from tests.source import ROOT, SOURCE, files, named

# Our own dialect, each word with a standard term in its place.
BANNED = re.compile(
    r"\b(deeds?|findings?|troubles?|wanted|clothes|doors|heed\w*|whoever|somebody|"
    r"tells? (?:of|that|what|when|who)|is told|are told|laid|born|burn(?:ed|s)?|letters?|"
    r"anew|mend(?:s|ed)?|it is seen that|have it made|newcomers?|strangers?|settles?)\b",
    re.IGNORECASE,
)
# What these words mean elsewhere.
ALLOWED = re.compile(r"lower-case letters|upper-case letters|letter-spacing", re.IGNORECASE)
PAGES = files("templates/*.html", "templates/*.txt")
DOCUMENTS = files("*.md", "docs/*.md", ".env.example")


def banned(text: str) -> list[str]:
    return [match[0] for match in BANNED.finditer(ALLOWED.sub("", text))]


def strings(source: Path) -> str:
    """All prose of a module: messages, labels, docstrings. Words alone are names and addresses."""
    nodes = ast.walk(ast.parse(source.read_text()))
    return "\n".join(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    )


@pytest.mark.parametrize("file", PAGES + DOCUMENTS, ids=named)
def test_page_or_document_is_in_plain_english(file: Path) -> None:
    assert banned(file.read_text()) == []


def test_messages_and_docstrings_are_in_plain_english() -> None:
    found = {
        named(file): words
        for file in SOURCE
        if "/migrations/" not in named(file) and (words := banned(strings(file)))
    }
    assert found == {}


def test_banned_word_would_be_found() -> None:
    assert banned("Somebody had the letters laid down.") == ["Somebody", "letters", "laid"]
    assert banned("Use lower-case letters.") == []
    assert ROOT / "README.md" in DOCUMENTS
