"""The read side: what pages show, in a number of queries that does not grow with the
rows, and without asking AWS."""

from provisioning.queries.keys import KeyInWords, claimed_until, keys_in_words
from provisioning.queries.loading import Offer, entitlements, newest_tags, of_user, on_offer
from provisioning.queries.parts import (
    current_key,
    key_for,
    open_repositories,
    pull_users,
    repositories,
    stuck_repositories,
)
from provisioning.queries.progress import LABELS, Progress, Step, progress
from provisioning.queries.todo import Kind, Todo, todo

__all__ = [
    "LABELS",
    "KeyInWords",
    "Kind",
    "Offer",
    "Progress",
    "Step",
    "Todo",
    "claimed_until",
    "current_key",
    "entitlements",
    "key_for",
    "keys_in_words",
    "newest_tags",
    "of_user",
    "on_offer",
    "open_repositories",
    "progress",
    "pull_users",
    "repositories",
    "stuck_repositories",
    "todo",
]
