"""Ops hold the portal, so that it changes nothing in AWS by itself, and let it go on."""

from accounts.permissions import OPERATE, require_staff
from provisioning.desired import hold as the_hold
from provisioning.flows import Actor, Refused, require_reason


def hold(*, reason: str, by: Actor | None = None) -> None:
    """Hold the portal. ``by``: None at the command line, whose user may do everything. Raises
    NotAllowed, Refused."""
    _require(by, "hold the portal", reason)
    if not the_hold.begin(reason, by=by):
        raise Refused("The portal is held already.")


def release(*, reason: str, by: Actor | None = None, is_forced: bool = False) -> None:
    """Let the portal go on: it makes AWS agree with the database. Raises NotAllowed, and Refused
    while something was not looked at or decided; ``is_forced``: then, too."""
    _require(by, "release the portal", reason)
    unseen, undecided = the_hold.unseen(), the_hold.undecided()
    if undecided and not is_forced:
        raise Refused(f"Decide about the differences first: {undecided} wait.")
    if unseen and not is_forced:
        raise Refused(f"The portal has yet to look at {unseen} rows in AWS. Wait a moment.")
    if not the_hold.end(reason, by=by):
        raise Refused("The portal is not held.")


def _require(by: Actor | None, words: str, reason: str) -> None:
    if by is not None:
        require_staff(by.user, OPERATE, words)
    require_reason(reason)
