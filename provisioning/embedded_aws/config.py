"""How this AWS behaves: its quotas, its delays, and what a test breaks on purpose."""

from dataclasses import dataclass
from enum import Enum


class Broken(Enum):
    """A place where enforcement is switched off, to check that a test notices."""

    IDENTITY_POLICY = "identity policy"
    REPOSITORY_POLICY = "repository policy"
    KEY_AT_API = "key status at the API"
    KEY_AT_REGISTRY = "key status at the registry"


@dataclass
class Config:
    """``propagation_seconds``: how long ECR does not know a new user;
    ``key_propagation_seconds``: how long a new access key is not accepted; ``login_hours``:
    how long a login token is valid; ``page_size``: how many items one response lists;
    ``seconds_ahead``: how far AWS's clock is ahead of this machine's; ``closed_accounts``: ids of
    AWS accounts that no longer exist. Whether a token outlives
    its key on the real ECR is not known; here it does, unless ``tokens_die_with_their_key``.
    ``call_seconds``: how long the way of each call takes.
    """

    propagation_seconds: float = 0
    key_propagation_seconds: float = 0
    users_per_account: int = 5_000
    policies_per_user: int = 10
    login_hours: float = 12
    page_size: int = 100
    seconds_ahead: float = 0
    call_seconds: float = 0
    tokens_die_with_their_key: bool = False
    closed_accounts: frozenset[str] = frozenset()
    broken: frozenset[Broken] = frozenset()
