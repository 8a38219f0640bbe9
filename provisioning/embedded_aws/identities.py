"""Users, keys, roles and policies, read from moto's own backends."""

import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.ecr.models import ecr_backends
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

Document = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """Who calls. ``principal_arn`` is what a policy names: a user's ARN, or a role's.
    ``token_issued_at`` is empty for a key that is valid for long."""

    account_id: str
    arn: str
    principal_arn: str
    access_key_id: str
    is_root: bool = False
    token_issued_at: str = ""

    @property
    def name(self) -> str:
        return self.principal_arn.rpartition("/")[2]

    @property
    def arns(self) -> set[str]:
        """By either of them a policy names the caller."""
        return {self.arn, self.principal_arn}

    @property
    def has_boundary(self) -> bool:
        return boundary(self) is not None


@dataclass(frozen=True)
class Credential:
    caller: Caller
    secret_access_key: str
    session_token: str
    is_active: bool


def iam(account_id: str) -> Any:
    return iam_backends[account_id]["aws"]


def ecr(account_id: str, region: str) -> Any:
    return ecr_backends[account_id][region]


def account_ids() -> list[str]:
    return list(iam_backends)


def credential(access_key_id: str) -> Credential | None:
    """The credential of a key id: a user's, or a session's of an assumed role."""
    for account_id in account_ids():
        key = iam(account_id).access_keys.get(access_key_id)
        if key is None:
            continue
        if key.user_name:
            user = iam(account_id).users.get(key.user_name)
            if user is None:
                return None
            caller = Caller(account_id, user.arn, user.arn, access_key_id)
            return Credential(caller, key.secret_access_key, "", key.status == "Active")
        return _role_session(account_id, access_key_id)
    return _user_session(access_key_id)


def _role_session(account_id: str, access_key_id: str) -> Credential | None:
    role = sts_backends[account_id]["aws"].get_assumed_role_from_access_key(access_key_id)
    if role is None:
        return None
    caller = Caller(account_id, role.arn, role.role_arn, access_key_id, token_issued_at=_now())
    return Credential(caller, role.secret_access_key, role.session_token, is_active=True)


# --- Sessions of users ---------------------------------------------------------------


@dataclass(frozen=True)
class UserSession:
    """What GetSessionToken has answered. AWS cannot revoke it: it outlives the key with which it
    was created, and ends with its time or with its user."""

    user_id: str
    credential: Credential
    expires_at: float


# By the session's access key id.
user_sessions: dict[str, UserSession] = {}


def create_user_session(caller: Caller, seconds: float) -> Credential:
    """A session for a user, as GetSessionToken creates it."""
    user = user_of_arn(caller.arn)
    key_id = "ASIA" + secrets.token_hex(8).upper()
    session = Caller(caller.account_id, caller.arn, caller.arn, key_id, token_issued_at=_now())
    created = Credential(
        session, secrets.token_urlsafe(30), secrets.token_urlsafe(60), is_active=True
    )
    user_sessions[key_id] = UserSession(unique_id(user), created, time.time() + seconds)
    return created


def _user_session(access_key_id: str) -> Credential | None:
    session = user_sessions.get(access_key_id)
    if session is None or session.expires_at < time.time():
        return None
    user = user_of_arn(session.credential.caller.arn)
    is_there = user is not None and unique_id(user) == session.user_id
    return session.credential if is_there else None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def identity_policies(caller: Caller) -> list[Document]:
    """Every identity policy that applies to the caller: inline, attached, of its groups."""
    backend = iam(caller.account_id)
    if ":role/" in caller.principal_arn:
        role = next((r for r in backend.get_roles() if r.arn == caller.principal_arn), None)
        return _documents(role) if role else []
    user = backend.users.get(caller.name)
    if user is None:
        return []
    groups = backend.get_groups_for_user(caller.name)
    return [document for holder in (user, *groups) for document in _documents(holder)]


# moto has no permissions boundaries of users: the policy's ARN by the user's unique id.
boundaries: dict[str, str] = {}


def boundary_of(user: Any) -> str:
    return boundaries.get(unique_id(user), "")


def boundary(caller: Caller) -> Document | None:
    """The document that limits the caller's own policies, if there is one."""
    backend = iam(caller.account_id)
    user = backend.users.get(caller.name) if ":user/" in caller.principal_arn else None
    arn = boundary_of(user) if user is not None else ""
    return _loaded(_default_version(backend.managed_policies[arn])) if arn else None


def is_principal(arn: str) -> bool:
    """Whether an ARN is that of a user or a role that exists."""
    is_role = any(role.arn == arn for role in iam(arn.split(":")[4]).get_roles())
    return is_role or user_of_arn(arn) is not None


def set_users_quota(account_id: str, quota: int) -> None:
    iam(account_id).account_summary._users_quota = quota


def trust_policy(role_arn: str) -> Document | None:
    account_id = role_arn.split(":")[4]
    for role in iam(account_id).get_roles():
        if role.arn == role_arn:
            return _loaded(role.assume_role_policy_document)
    return None


def _documents(holder: Any) -> list[Document]:
    attached = [_default_version(policy) for policy in holder.managed_policies.values()]
    return [_loaded(text) for text in [*holder.policies.values(), *attached]]


def _default_version(policy: Any) -> str:
    text: str = next(v.document for v in policy.versions if v.is_default)
    return text


def _loaded(text: str | Document) -> Document:
    document: Document = json.loads(text) if isinstance(text, str) else text
    return document


def user_of_arn(arn: str) -> Any | None:
    """The user that an ARN names now, or None."""
    _, _, _, _, account_id, resource = (arn.split(":", 5) + [""] * 6)[:6]
    user = iam(account_id).users.get(resource.rpartition("/")[2]) if account_id else None
    return user if user is not None and user.arn == arn else None


def unique_id(user: Any) -> str:
    """What AWS shows in a policy in place of a deleted user."""
    return "AIDA" + str(user.id)[-17:].upper()
