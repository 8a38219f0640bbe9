"""Email addresses that look like others."""

import string
import unicodedata

USUAL = string.ascii_letters + "ßæœøđłþðħŧŋ"


def is_deceptive(email: str) -> bool:
    """Whether the address can be taken for another: it holds what nobody sees, characters that
    look like ASCII's, or a quoted name, which mail servers read without its quotes; or its domain
    mixes scripts in one label, or is written in another script than Latin under a Latin top-level
    domain, as Cyrillic look-alikes are."""
    name, _, domain = email.rpartition("@")
    if '"' in name:
        return True
    labels = [_readable(label) for label in domain.split(".")]
    shown = "".join([name, *labels])
    if any(unicodedata.category(each)[0] in "CZ" or _is_like_ascii(each) for each in shown):
        return True
    scripts = [_scripts(label) for label in labels]
    is_foreign = any(each - {"LATIN"} for each in scripts[:-1])
    return any(len(each) > 1 for each in scripts) or (is_foreign and scripts[-1] == {"LATIN"})


def _is_like_ascii(character: str) -> bool:
    """Whether it is a Latin character that looks like one of ASCII and is none, even without its
    accents: such as the dotless i."""
    if not unicodedata.name(character, "").startswith("LATIN"):
        return False
    return unicodedata.normalize("NFD", character)[0] not in USUAL


def _readable(label: str) -> str:
    """The label as browsers and mail programs show it."""
    if not label.lower().startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _scripts(label: str) -> set[str]:
    """The scripts of a label, by the first words of the Unicode names of its characters."""
    return {
        unicodedata.name(character, "?").split(" ")[0] for character in label if character.isalpha()
    }
