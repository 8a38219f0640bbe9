"""Email addresses that look like others."""

import unicodedata


def is_deceptive(email: str) -> bool:
    """Whether the domain can be taken for another: it mixes scripts in one label, or is written
    in another script than Latin under a Latin top-level domain, as Cyrillic look-alikes are."""
    *labels, top = _readable(email.rpartition("@")[2]).split(".")
    foreign = [scripts for label in labels if (scripts := _scripts(label)) - {"LATIN"}]
    return any(len(scripts) > 1 for scripts in foreign) or (
        bool(foreign) and _scripts(top) == {"LATIN"}
    )


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
