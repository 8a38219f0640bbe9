"""What a pull user has in AWS that nobody asked the portal for. Pure."""

from collections.abc import Mapping
from datetime import datetime

from provisioning.models import AccessKey, Finding, PullUser
from provisioning.plan import ObservedUser, Step, WantedUser
from provisioning.reconcile.ending import BELIEVED_AFTER
from provisioning.reconcile.findings import Drift
from provisioning.states import Status

Kind = Finding.Kind


def of_user(
    row: PullUser,
    keys: Mapping[str, AccessKey],
    recorded: frozenset[str],
    wanted: WantedUser,
    observed: ObservedUser,
    now: datetime,
) -> list[Drift]:
    """``keys``: those that AWS was last seen to have; ``recorded``: the repositories that
    the user's own policy was last seen to open. What is on its way is no drift."""
    if row.status not in (Status.READY, Status.SUSPENDED):
        return []
    if not observed.is_present:
        return [Drift(Kind.USER_MISSING, row.name, Step("ensure_pull_user"))]
    drifts = [Drift(Kind.FOREIGN_POLICY, name) for name in sorted(observed.foreign)]
    if observed.user_id != row.user_id:
        drifts.append(Drift(Kind.USER_REPLACED, row.name, Step("ensure_pull_user")))
    elif not observed.is_complete:
        drifts.append(Drift(Kind.USER_CHANGED, row.name, Step("ensure_pull_user")))
    for key_id, key in sorted(keys.items()):
        if key_id not in observed.keys:
            # A young one may only not be visible yet.
            if key.created_at < now - BELIEVED_AFTER:
                drifts.append(Drift(Kind.KEY_MISSING, key_id))
            continue
        status, should = observed.keys[key_id], wanted.keys.get(key_id)
        if should and key.status == should and status != should:
            drifts.append(Drift(Kind.KEY_STATUS, key_id, Step("set_key_status", key_id, should)))
    drifts += [
        Drift(Kind.KEY_UNKNOWN, key_id, Step("remove_access_key", key_id))
        for key_id in sorted(observed.keys.keys() - keys.keys())
    ]
    if recorded == wanted.repositories and observed.repositories != recorded:
        drifts.append(Drift(Kind.USER_POLICY_CHANGED, row.name, Step("ensure_user_policy")))
    return drifts
