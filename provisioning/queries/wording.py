"""The states of an entitlement and of an access key in words. They are worded here alone: every
page and email takes them from here, so that none says what another denies."""

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A state as its customer reads it.

    ``colour`` is one of elements/status.html, ``label`` says the state in a word or two, and
    ``words`` in a clause. Where a moment belongs to the state, it completes ``words``. ``remedy``
    says in sentences what to do and who can do it; it is empty where there is nothing to do.
    """

    slug: str
    colour: str
    label: str
    words: str = ""
    remedy: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it gives a right to pull now, even where something is missing."""
        return self in LIVE

    @property
    def is_set_up(self) -> bool:
        """Whether AWS has everything of it; a key may be missing."""
        return self in SET_UP

    @property
    def is_past(self) -> bool:
        return self in PAST


# --- Of an entitlement ---------------------------------------------------------------

AGAIN = "An owner or an engineer can request the product again."
NEW_KEY = "An owner or an engineer can create a new key."
ACTIVATE = "An owner or an engineer can activate it, or create a new key."

REQUESTED = State(
    "requested",
    "waiting",
    "Requested",
    "Waiting for your vendor's sales team to approve the request made",
)
REJECTED = State("rejected", "ended", "Rejected", "Your vendor rejected the request", AGAIN)
PLANNED = State(
    "planned",
    "waiting",
    "Approved for later",
    "Access starts",
    "Your vendor's sales team can start it earlier.",
)
SETTING_UP = State(
    "setting-up",
    "working",
    "Being set up",
    "Being set up in AWS; this usually takes less than a minute",
)
HELD = State(
    "held",
    "working",
    "Being set up",
    "Your vendor has stopped all changes for a while, to check them",
    "What you can pull already stays as it is; the rest goes on afterwards, by itself.",
)
PAUSED = State(
    "paused",
    "attention",
    "Delayed",
    "AWS does not let your vendor change anything at the moment",
    "Your vendor can see this. What you can pull already stays as it is; the rest goes on "
    "afterwards, by itself.",
)
ATTENTION = State(
    "attention",
    "attention",
    "Needs attention",
    "Your vendor needs to look at this, and can see what is wrong",
)
READY = State("ready", "ready", "Ready", "Ready to pull")
ROTATING = State(
    "rotating",
    "ready",
    "Ready",
    "Ready to pull; an old access key stops",
    "Change over the machines that still use it.",
)
REPLACING = State(
    "replacing",
    "ready",
    "Ready",
    "Ready to pull; a new access key is being created and tested",
    "Then an owner or an engineer can reveal it.",
)
TO_REVEAL = State(
    "to-reveal",
    "attention",
    "Credentials to reveal",
    "The credentials are waiting to be revealed",
    "An owner or an engineer can reveal them, once; then you can pull.",
)
UNCLAIMED = State(
    "unclaimed",
    "attention",
    "No credentials",
    "Nobody revealed the credentials in time, so they were destroyed",
    f"You cannot pull without. {NEW_KEY}",
)
KEY_OFF = State(
    "key-off",
    "attention",
    "Key deactivated",
    "The access key is deactivated, so AWS refuses to let you pull",
    ACTIVATE,
)
SUSPENDING = State("suspending", "working", "Being suspended", "Access is being suspended")
SUSPENDED = State(
    "suspended",
    "attention",
    "Suspended",
    "Your vendor has suspended access",
    "Your keys are kept, and will work again afterwards. Your vendor's sales team can resume it.",
)
ENDING = State("ending", "working", "Being removed", "Access is being removed")
WITHDRAWN = State("withdrawn", "ended", "Ended", "Your vendor withdrew access", AGAIN)
EXPIRED = State("expired", "ended", "Ended", "Access ended", AGAIN)

USABLE = {READY, ROTATING, REPLACING}
SET_UP = USABLE | {TO_REVEAL, UNCLAIMED, KEY_OFF}
LIVE = SET_UP | {SETTING_UP, HELD, PAUSED, ATTENTION}
PAST = {REJECTED, WITHDRAWN, EXPIRED}

# --- Of an access key ----------------------------------------------------------------

KEY_CREATING = State(
    "creating",
    "working",
    "Being created",
    "A new access key is created and tested, usually within two minutes",
    "Then an owner or an engineer can reveal it.",
)
KEY_TESTING = State(
    "testing", "working", "Being tested", "It is tested first, the way your machine will use it"
)
KEY_UNREVEALED = State(
    "unrevealed",
    "attention",
    "Waiting to be revealed",
    "If nobody reveals it, it is destroyed with its key",
    "An owner or an engineer can reveal it, once.",
)
KEY_UNCLAIMED = State(
    "unclaimed",
    "attention",
    "Destroyed",
    "Nobody revealed the secret in time, so it was destroyed together with its key",
    NEW_KEY,
)
KEY_ACTIVE = State("active", "ready", "Active")
KEY_EXPIRES = State(
    "expires", "attention", "Expires", remedy="An owner or an engineer can rotate it before."
)
KEY_RETIRES = State("retires", "waiting", "Retires")
KEY_DEACTIVATED = State("deactivated", "attention", "Deactivated", remedy=ACTIVATE)
KEY_OFF_IN_AWS = State(
    "off-in-aws",
    "attention",
    "Deactivated in AWS",
    remedy=f"Your vendor can see this, and can activate it. {NEW_KEY}",
)
KEY_DEACTIVATING = State("deactivating", "working", "Being deactivated")
KEY_ACTIVATING = State("activating", "working", "Being activated")
KEY_DELETING = State("deleting", "working", "Being deleted")
