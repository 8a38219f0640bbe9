"""The read side: what pages show, in a number of queries that does not grow with the
rows, and without asking AWS."""

from provisioning.queries.loading import Offer, entitlements, of_user, on_offer
from provisioning.queries.parts import (
    current_key,
    key_for,
    open_repositories,
    pull_users,
    repositories,
    stuck_repositories,
)
from provisioning.queries.progress import LABELS, Progress, Step, progress

__all__ = [
    "LABELS",
    "Offer",
    "Progress",
    "Step",
    "current_key",
    "entitlements",
    "key_for",
    "of_user",
    "on_offer",
    "open_repositories",
    "progress",
    "pull_users",
    "repositories",
    "stuck_repositories",
]
