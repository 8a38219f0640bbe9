"""Names of people and organisations, as they may stand in an email to someone else."""

import re
import unicodedata

from django.core.exceptions import ValidationError

# What mail programs make a link of, and what separates a name from an address.
LIKE_A_LINK = re.compile(r"[/\\@<>]|\w{2,}\.\w{2,}")


def require_plain_name(name: str) -> None:
    """Raise ValidationError for a name that has several lines or invisible characters, or looks
    like a link: an email in the vendor's name would carry another person's message."""
    if any(unicodedata.category(character).startswith("C") for character in name):
        raise ValidationError("A name is one line of visible characters.")
    if LIKE_A_LINK.search(name):
        raise ValidationError("A name holds no address and no link.")
