"""What must not be stored or logged is masked, as a last resort."""

import re

# A secret access key is 40 characters of base64, with upper-case letters, lower-case letters and
# digits among them: that distinguishes it from the path of a file.
SECRET = re.compile(
    r"(?<![A-Za-z0-9/+])(?=[a-z0-9/+]*[A-Z])(?=[A-Z0-9/+]*[a-z])(?=[A-Za-z/+]*[0-9])"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)
# Addresses of links in emails let people in.
ACCOUNT = re.compile(r"(?:(?<![\w./-])|(?<=:)//[^/\s]+)/account/[^\s'\"<>]+")
# "Understanding unique ID prefixes", IAM user guide.
KEY_ID = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]+\b")
MASK = "[masked]"


def without_key_ids(text: str) -> str:
    """The text for an email, which may be forwarded: masked as a log is, and without key ids."""
    return KEY_ID.sub(MASK, masked(text))


def masked(text: str) -> str:
    """The text without secret access keys and without the addresses of links in emails."""
    return ACCOUNT.sub(f"/account/{MASK}", SECRET.sub(MASK, text))
