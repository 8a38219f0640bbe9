"""Who does a deed, and what keeps it from being done."""

from dataclasses import dataclass

from accounts.models import User


class Refused(Exception):
    """The deed is not possible as things stand. The text says why, and what to do."""


@dataclass(frozen=True)
class By:
    """Who does a deed, and the IP address that it came from."""

    user: User
    address: str | None = None
