"""The read side: what pages show, in a number of queries that does not grow with the rows, and
without calling AWS."""

from provisioning.queries.keys import KeyState, claimed_until, key_state, key_states
from provisioning.queries.lookups import (
    current_key,
    denials,
    key_for,
    open_repositories,
    pull_users,
    repositories,
    stuck_repositories,
    to_reveal,
    usable_keys,
)
from provisioning.queries.prefetch import Offer, entitlements, newest_tags, of_user, on_offer
from provisioning.queries.progress import Progress, ProgressStep, progress
from provisioning.queries.todo import Todo, TodoKind, todo

__all__ = [
    "KeyState",
    "Offer",
    "Progress",
    "ProgressStep",
    "Todo",
    "TodoKind",
    "claimed_until",
    "current_key",
    "denials",
    "entitlements",
    "key_for",
    "key_state",
    "key_states",
    "newest_tags",
    "of_user",
    "on_offer",
    "open_repositories",
    "progress",
    "pull_users",
    "repositories",
    "stuck_repositories",
    "to_reveal",
    "todo",
    "usable_keys",
]
