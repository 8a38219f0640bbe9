"""Email addresses that look like others."""

import string
import unicodedata

USUAL = string.ascii_letters + "ßæœøđłþðħŧŋ"


def is_deceptive(email: str) -> bool:
    """Whether the address can be taken for another: it holds what nobody sees, or its domain mixes
    scripts in one label, or is written in another script than Latin under a Latin top-level
    domain, as Cyrillic look-alikes are."""
    if any(unicodedata.category(character)[0] in "CZ" for character in email):
        return True
    *labels, top = _readable(email.rpartition("@")[2]).split(".")
    foreign = [scripts for label in labels if (scripts := _scripts(label)) - {"LATIN"}]
    return (
        any(_is_like_ascii(character) for label in labels for character in label)
        or any(len(scripts) > 1 for scripts in foreign)
        or (bool(foreign) and _scripts(top) == {"LATIN"})
    )


def _is_like_ascii(character: str) -> bool:
    """Whether it is a Latin character that looks like one of ASCII and is none, even without its
    accents: such as the dotless i."""
    if not unicodedata.name(character, "").startswith("LATIN"):
        return False
    return unicodedata.normalize("NFD", character)[0] not in USUAL


def _readable(domain: str) -> str:
    """The domain as browsers and mail programs show it."""
    try:
        return domain.encode("ascii").decode("idna")
    except UnicodeError:
        return domain


def _scripts(label: str) -> set[str]:
    """The scripts of a label, by the first words of the Unicode names of its characters."""
    return {
        unicodedata.name(character, "?").split(" ")[0] for character in label if character.isalpha()
    }
