"""What AWS has of a pull user, what it should have, and what differs without the portal having
done it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, Q

from accounts import clock
from provisioning.documents import grammar, names, policies
from provisioning.models import AccessKey, Drift, PullUser
from provisioning.reconciler import in_doubt
from provisioning.reconciler.drift import Difference
from provisioning.reconciler.pull_user.context import PullUserContext
from provisioning.reconciler.pull_user.keys import untested, unusable_keys
from provisioning.reconciler.pull_user.plan import DesiredUser, ObservedUser, PlannedStep
from provisioning.reconciler.result import BELIEVED_AFTER
from provisioning.states import Desired, KeyStatus, Outcome, Step

Kind = Drift.Kind
# What an interrupted removal of the portal's own leaves behind.
OF_A_REMOVAL = {Kind.USER_CHANGED, Kind.USER_POLICY_CHANGED}
# For how long a turn may rely on what an earlier one has recorded.
RECENT = timedelta(minutes=5)


def observe(context: PullUserContext) -> ObservedUser:
    """Read the user from AWS. Raises PermanentError for a user that is not the portal's."""
    row, gateway = context.pull_user, context.gateway
    user = gateway.user(row.name)
    if user is None:
        has_login_policy = row.desired == Desired.ABSENT or gateway.policy_exists(
            context.login_policy_arn
        )
        return ObservedUser(has_login_policy=has_login_policy, is_present=False)
    context.refuse_unmanaged(user)
    attached = gateway.attached_policies(row.name)
    inline = gateway.user_policies(row.name)
    own = policies.USER_POLICY_NAME
    document = gateway.user_policy(row.name, own) if own in inline else None
    may_sign_in = context.login_policy_arn in attached
    is_tagged = names.is_ours(user.tags, customer_slug=row.customer.slug, label=row.label)
    is_known = user.user_id == row.user_id
    is_bounded = context.registry.boundary_arn in ("", user.boundary_arn)
    return ObservedUser(
        # What is attached exists.
        has_login_policy=may_sign_in or gateway.policy_exists(context.login_policy_arn),
        is_present=True,
        is_known=is_known,
        is_complete=is_known and may_sign_in and is_tagged and is_bounded,
        user_id=user.user_id,
        arn=user.arn,
        keys=gateway.access_keys(row.name),
        own_policy=policies.content_of(document),
        policy_meaning=grammar.meaning(document),
        foreign=frozenset(attached - {context.login_policy_arn} | inline - {own}),
    )


# What is assumed of a user for whom nothing was ever done: where it is wrong, a step finds out.
NEW_USER = ObservedUser(has_login_policy=True, is_present=False)


def is_new(row: PullUser) -> bool:
    return not row.user_id and row.observed_at is None and not row.attempts.exists()


def is_as_recorded(context: PullUserContext, desired: DesiredUser) -> bool:
    """Whether the turn is only about the test of a key: a moment ago the user was seen, or made, as
    it is desired now."""
    row, now = context.pull_user, clock.now()
    is_recent = row.observed_at is not None and row.observed_at > now - RECENT
    if not is_recent or not row.is_ready or row.failures:
        return False
    if untested(context.keys) is None or unusable_keys(context):
        return False
    living = {key.access_key_id: key.status for key in context.keys if key.is_living}
    is_policy_written = row.policy_written == grammar.meaning(
        policies.user_policy(desired.own_policy)
    )
    is_settled = not (desired.needs_key or desired.doubtful or desired.is_policy_doubtful)
    return (
        is_settled
        and is_policy_written
        and living == dict(desired.keys)
        and not Drift.objects.open().filter(pull_user=row).exists()
    )


def desired_user(context: PullUserContext) -> DesiredUser:
    """The keys of a suspended user stay, deactivated."""
    row, now = context.pull_user, clock.now()
    is_active = row.desired == Desired.PRESENT
    keys = [
        key
        for key in context.keys
        if key.desired != KeyStatus.DELETED and (key.retires_at is None or key.retires_at > now)
    ]
    staying = {key.access_key_id for key in keys}
    living = {key.access_key_id for key in context.keys if key.is_living}
    own = context.own_policy
    has_current = any(key.retires_at is None for key in keys)
    return DesiredUser(
        is_present=True,
        # One that was suspended before it was created is created when it is resumed.
        is_needed=is_active or bool(row.user_id),
        keys={
            key.access_key_id: str(key.desired) if is_active else str(KeyStatus.INACTIVE)
            for key in keys
        },
        needs_key=is_active and row.unclaimed_at is None and not has_current,
        own_policy=own.desired,
        surplus=frozenset(living - staying),
        doubtful=frozenset(key.access_key_id for key in keys if not key.written),
        is_policy_doubtful=bool(row.policy_attempted) or own.has_others,
    )


def differences(
    context: PullUserContext, desired: DesiredUser, observed: ObservedUser
) -> list[Difference]:
    """What AWS has that the portal did not do."""
    row = context.pull_user
    keys = {key.access_key_id: key for key in context.keys}
    found = compare(row, keys, desired, observed, clock.now())
    if any(difference.kind in OF_A_REMOVAL for difference in found) and was_being_removed(row):
        found = [difference for difference in found if difference.kind not in OF_A_REMOVAL]
    return found + unusable_keys(context)


def compare(
    row: PullUser,
    keys: Mapping[str, AccessKey],
    desired: DesiredUser,
    observed: ObservedUser,
    now: datetime,
) -> list[Difference]:
    """``keys``: all that the portal has ever created for the user. Pure.

    Drift is where AWS differs both from what the portal has *written* and from what is *desired*:
    what the portal is about to change itself is no drift, and neither is what it has sent without
    knowing the outcome. To watch one more thing, record in a column what was written.
    """
    if not row.user_id:
        return []
    if not observed.is_present:
        return [Difference(Kind.USER_MISSING, row.name, PlannedStep(Step.ENSURE_PULL_USER))]
    found = [Difference(Kind.FOREIGN_POLICY, name) for name in sorted(observed.foreign)]
    if observed.user_id != row.user_id:
        found.append(Difference(Kind.USER_REPLACED, row.name, PlannedStep(Step.ENSURE_PULL_USER)))
    elif not observed.is_complete:
        found.append(Difference(Kind.USER_CHANGED, row.name, PlannedStep(Step.ENSURE_PULL_USER)))
    own_arn = names.user_arn(row.account_id, settings.AWS_PATH, row.name)
    if observed.user_id == row.user_id and observed.arn != own_arn:
        found.append(Difference(Kind.USER_MOVED, observed.arn))
    for key_id, key in sorted(keys.items()):
        found += _of_key(key, desired.keys.get(key_id), observed.keys.get(key_id), now)
    found += [
        Difference(Kind.KEY_UNKNOWN, key_id, PlannedStep(Step.REMOVE_ACCESS_KEY, key_id))
        for key_id in sorted(observed.keys.keys() - keys.keys())
    ]
    ours = {row.policy_written, *in_doubt.sent(row.policy_attempted)}
    is_others = observed.policy_meaning not in ours and row.policy_written != ""
    if is_others and observed.own_policy != desired.own_policy:
        step = PlannedStep(Step.ENSURE_USER_POLICY)
        found.append(Difference(Kind.USER_POLICY_CHANGED, row.name, step))
    return found


def _of_key(
    key: AccessKey, should: str | None, status: str | None, now: datetime
) -> list[Difference]:
    """``should``: None for a key that should not exist; ``status``: None for one that AWS does not
    show."""
    if status is None:
        # A young key may only not be visible yet; one that should go may be gone.
        is_missing = should is not None and key.created_at < now - BELIEVED_AFTER
        return [Difference(Kind.KEY_MISSING, key.access_key_id)] if is_missing else []
    if should in (None, status) or status == key.written or not key.written:
        return []
    # Switched on behind the portal's back, it is switched off at once: it may have leaked.
    kind = Kind.KEY_STATUS if status == KeyStatus.INACTIVE else Kind.KEY_ACTIVATED
    step = PlannedStep(Step.SET_KEY_STATUS, key.access_key_id, str(should))
    return [Difference(kind, key.access_key_id, step)]


def key_in_doubt_until(row: PullUser) -> datetime | None:
    """An attempt to create a key that ended in doubt may have left one that AWS does not list
    yet. None once the user was observed after that time: however long AWS could not be read."""
    in_doubt = row.attempts.filter(
        step=Step.ENSURE_ACCESS_KEY, outcome__in=[Outcome.INTERRUPTED, Outcome.TEMPORARY]
    )
    # One that stalled may have ended long after it began.
    ended_at = in_doubt.aggregate(last=Max("ended_at"))["last"]
    if ended_at is None:
        return None
    until: datetime = ended_at + BELIEVED_AFTER
    return until if row.observed_at is None or row.observed_at < until else None


def may_still_appear(row: PullUser) -> bool:
    """Whether the last thing done to the user was to create it, a short while ago."""
    changes = row.attempts.filter(step__in=[Step.ENSURE_PULL_USER, Step.REMOVE_PULL_USER])
    last = changes.first()
    return (
        last is not None
        and last.step == Step.ENSURE_PULL_USER
        and clock.now() - last.started_at < BELIEVED_AFTER
    )


def was_being_removed(row: PullUser) -> bool:
    """Whether the portal has begun to remove the user since it was last complete. How far it got
    may not be known."""
    complete = Q(step=Step.ENSURE_PULL_USER, outcome=Outcome.DONE)
    last = row.attempts.filter(complete | Q(step=Step.REMOVE_PULL_USER)).first()
    return last is not None and last.step == Step.REMOVE_PULL_USER
