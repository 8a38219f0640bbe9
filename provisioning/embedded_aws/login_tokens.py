"""ECR's login tokens, bound to the caller, the registry, and an expiry time."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class LoginToken:
    """``expires_at`` in seconds since 1970."""

    access_key_id: str
    account_id: str
    user_arn: str
    region: str
    expires_at: float

    @property
    def is_expired(self) -> bool:
        return time.time() >= self.expires_at


class TokenSigner:
    """Issues and reads tokens; accepts no others."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def make(self, token: LoginToken) -> str:
        """The password that goes with the user name AWS."""
        payload = base64.urlsafe_b64encode(json.dumps(asdict(token)).encode())
        return f"{payload.decode()}.{self._sign(payload)}"

    def read(self, password: str) -> LoginToken | None:
        """The token, or None for one that was not issued here."""
        payload, _, signature = password.encode().partition(b".")
        if not hmac.compare_digest(self._sign(payload).encode(), signature):
            return None
        return LoginToken(**json.loads(base64.urlsafe_b64decode(payload)))

    def _sign(self, payload: bytes) -> str:
        return hmac.new(self._key, payload, hashlib.sha256).hexdigest()
