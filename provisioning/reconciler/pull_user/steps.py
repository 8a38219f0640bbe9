"""The steps that change a pull user in AWS. Each may be taken any number of times, and each
attempt is recorded before AWS is called."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db.models import F, Q

from accounts import clock
from provisioning import vault
from provisioning.aws import errors
from provisioning.aws.gateway import IamUser
from provisioning.desired import schedule
from provisioning.documents import grammar, names, policies
from provisioning.models import AccessKey, Grant, PullUser, Registry
from provisioning.reconciler import in_doubt
from provisioning.reconciler.attempt import attempt
from provisioning.reconciler.pull_user.context import (
    PullUserContext,
    mark,
    mark_keys_deleted,
    record_user_policy,
    require_elsewhere,
)
from provisioning.reconciler.pull_user.plan import PlannedStep
from provisioning.states import Desired, Status, Step

# Attempts after which IAM has had the time to show a user that it created.
NAMESAKE_AFTER = 6


def perform(planned: PlannedStep, context: PullUserContext) -> None:
    """Take one planned step, on record. Raises what the gateway raises, and LeaseLost."""
    try:
        with attempt(planned.step, context.lease):
            STEPS[planned.step](context, planned)
    finally:
        context.forget()


# --- The user ------------------------------------------------------------------------


def ensure_login_policy(context: PullUserContext, planned: PlannedStep) -> None:
    """The account's policy that lets pull users sign in to its registry."""
    try:
        context.gateway.create_policy(
            settings.AWS_LOGIN_POLICY_NAME, settings.AWS_PATH, policies.login_policy()
        )
    except errors.AlreadyThere:
        pass  # Another customer's turn created it first.


def ensure_pull_user(context: PullUserContext, planned: PlannedStep) -> None:
    """The IAM user, ours by its tags, within its boundary, with the sign-in policy attached. One
    that is not known is created without looking: AWS says if it is there."""
    row, boundary_arn = context.pull_user, context.registry.boundary_arn
    tags = names.user_tags(row.customer.slug, row.label)
    user, is_new = context.gateway.user(row.name) if row.user_id else None, False
    if user is None:
        _require_boundary(context.registry)
        try:
            user = context.gateway.create_user(row.name, settings.AWS_PATH, tags, boundary_arn)
            is_new = True
            _count(row.account_id, +1)
        except errors.AlreadyThere:
            user = _created_before(context)
    if boundary_arn not in ("", user.boundary_arn):
        context.gateway.set_boundary(row.name, boundary_arn)
    if not tags.items() <= user.tags.items():
        context.gateway.tag_user(row.name, tags)
    _attach_login_policy(context)
    with context.lease.writing():
        if row.user_id != user.user_id:
            forget_previous_user(row)
            # What an adopted user has of its own is looked at first.
            row.policy_written = grammar.NOTHING if is_new else ""
        row.arn, row.user_id = user.arn, user.user_id
        row.save(update_fields=["arn", "user_id", "policy_written", "policy_attempted"])


def _attach_login_policy(context: PullUserContext) -> None:
    name, arn = context.pull_user.name, context.login_policy_arn
    try:
        context.gateway.attach_policy(name, arn)
    except errors.NotFound:
        # The account's first pull user; or IAM does not show the new one yet.
        perform(PlannedStep(Step.ENSURE_LOGIN_POLICY), context)
        context.gateway.attach_policy(name, arn)


def _require_boundary(registry: Registry) -> None:
    if not registry.boundary_arn:
        raise errors.PermanentError(
            f"Registry {registry} has no permissions boundary, without which no IAM user is "
            "created. An administrator of the portal can enter it in the registry's form "
            "(docs/aws-role.md, section 2)."
        )


def _count(account_id: str, change: int) -> None:
    """Keep the account's number of users up to date until it is next counted in AWS."""
    counted = Registry.objects.filter(account_id=account_id, iam_users__gte=max(0, -change))
    counted.update(iam_users=F("iam_users") + change)


def _created_before(context: PullUserContext) -> IamUser:
    """The user whose name is taken: created by an attempt whose answer was lost, or a
    namesake."""
    row = context.pull_user
    user = context.gateway.user(row.name)
    if user is not None:
        context.refuse_unmanaged(user)
        return user
    if row.attempts.filter(step=Step.ENSURE_PULL_USER).count() > NAMESAKE_AFTER:
        raise errors.PermanentError(
            f"AWS account {row.account_id} reports that a user named {row.name} exists, but shows "
            "none: probably one whose name differs in case. The account's administrator can "
            "rename or delete it."
        )
    raise errors.TemporaryError(
        f"IAM reports that the user {row.name} exists, but does not show it yet."
    )


def forget_previous_user(row: PullUser) -> None:
    """The row had no user before, or another one of the same name. That user's keys went with
    it, and a policy that named it does not admit this one: the next turn replaces both."""
    mark(row.grants.all(), "in_repository_policy", is_there=False)
    mark(row.grants.all(), "in_user_policy", is_there=False)
    row.policy_attempted = ""
    if mark_keys_deleted(row.access_keys.all()):
        schedule.wake(pull_users={row.pk})


def remove_pull_user(context: PullUserContext, planned: PlannedStep) -> None:
    """The user and what depends on it; its keys were removed before."""
    name = context.pull_user.name
    for arn in context.gateway.attached_policies(name):
        context.gateway.detach_policy(name, arn)
    for policy in context.gateway.user_policies(name):
        context.gateway.delete_user_policy(name, policy)
    try:
        context.gateway.delete_user(name)
    except errors.DeleteConflict:
        # Someone gave it more than the portal does: a password, a group, another key.
        context.gateway.strip_user(name)
        context.gateway.delete_user(name)
    except errors.Unauthorized:
        # An attempt whose answer was lost may have done it: IAM looks for a user that is gone
        # under no path, where the role may delete none.
        if context.gateway.user(name) is not None:
            raise
    _count(context.pull_user.account_id, -1)
    with context.lease.writing():
        mark_keys_deleted(context.pull_user.access_keys.all())
        mark(context.pull_user.grants.all(), "in_user_policy", is_there=False)


def ensure_user_policy(context: PullUserContext, planned: PlannedStep) -> None:
    """The user's own policy opens exactly the repositories of the grants placed there, and is
    limited to the customer's networks."""
    # As it is desired at this moment.
    context.forget()
    own = context.own_policy
    document = policies.user_policy(own.desired)
    name = context.pull_user.name
    with _policy_in_doubt(context, own.grants, grammar.meaning(document)):
        if document is None:
            context.gateway.delete_user_policy(name, policies.USER_POLICY_NAME)
        else:
            context.gateway.put_user_policy(name, policies.USER_POLICY_NAME, document)
    record_user_policy(context, own.grants, grammar.meaning(document))


@contextmanager
def _policy_in_doubt(context: PullUserContext, grants: list[Grant], meaning: str) -> Iterator[None]:
    """While the call is made, and for as long as its outcome is not known, nothing is known of the
    grants that it adds or removes."""
    row = context.pull_user
    held = Q(pk__in=[grant.pk for grant in grants])
    changing = row.grants.exclude(held & Q(in_user_policy=True) | ~held & Q(in_user_policy=False))
    before = dict(changing.values_list("pk", "in_user_policy"))
    attempted_before = row.policy_attempted
    with context.lease.writing():
        row.policy_attempted = in_doubt.and_sent(attempted_before, meaning)
        row.save(update_fields=["policy_attempted"])
        require_elsewhere(row.grants.exclude(held), "in_user_policy")
        mark(row.grants.filter(pk__in=before), "in_user_policy", is_there=None)
    try:
        yield
    except errors.AwsError as error:
        if not errors.may_have_happened(error):
            with context.lease.writing():
                # Of that one the outcome is still not known.
                row.policy_attempted = attempted_before
                row.save(update_fields=["policy_attempted"])
                for pk, was_there in before.items():
                    row.grants.filter(pk=pk).update(in_user_policy=was_there)
        raise


# --- Its keys ------------------------------------------------------------------------


def ensure_access_key(context: PullUserContext, planned: PlannedStep) -> None:
    """A new access key, its secret encrypted at once.

    The one step that cannot be repeated: whatever happens between AWS's answer and the end of
    the transaction leaves a key that the database does not know, and the next turn deletes it.
    """
    key = context.gateway.create_access_key(context.pull_user.name)
    now = clock.now()
    expires_at = now + settings.KEY_LIFETIME if settings.KEY_LIFETIME else None
    with context.lease.writing():
        row = AccessKey.objects.create(
            pull_user=context.pull_user,
            access_key_id=key.access_key_id,
            created_at=now,
            expires_at=expires_at,
        )
        vault.store(key.secret_access_key, access_key=row)


def set_key_status(context: PullUserContext, planned: PlannedStep) -> None:
    """Activate or deactivate a key."""
    key = AccessKey.objects.filter(access_key_id=planned.access_key_id)
    before = key.values_list("written", flat=True).first() or ""
    with context.lease.writing():
        key.update(written="")
    try:
        context.gateway.set_key_status(
            context.pull_user.name, planned.access_key_id, planned.status
        )
    except errors.AwsError as error:
        if not errors.may_have_happened(error):
            with context.lease.writing():
                key.update(written=before)
        raise
    with context.lease.writing():
        key.update(status=planned.status, written=planned.status, refused_since=None)


def remove_access_key(context: PullUserContext, planned: PlannedStep) -> None:
    """A key that should not exist: retired, withdrawn, or unknown to the database."""
    context.gateway.delete_access_key(context.pull_user.name, planned.access_key_id)
    with context.lease.writing():
        mark_keys_deleted(AccessKey.objects.filter(access_key_id=planned.access_key_id))


def verify_access_key(context: PullUserContext, planned: PlannedStep) -> None:
    """Sign in to the registry with a key that nobody has revealed yet, and read the manifest of
    an image that it should open, as the customer's machine will.

    Raises KeyNotAccepted.
    """
    key = AccessKey.objects.get(access_key_id=planned.access_key_id)
    grants = context.pull_user.grants.filter(desired=Desired.PRESENT, status=Status.READY)
    grant = grants.select_related("repository__registry").order_by("pk").first()
    secret = vault.read_unrevealed(key)
    if grant is None or secret is None:
        return
    repository = grant.repository
    gateway = context.gateway_of(repository.registry)
    gateway.verify_key(key.access_key_id, secret, repository.name, repository.newest_tag)
    with context.lease.writing():
        AccessKey.objects.filter(pk=key.pk).update(tested_at=clock.now())


STEPS: dict[Step, Callable[[PullUserContext, PlannedStep], None]] = {
    Step.ENSURE_LOGIN_POLICY: ensure_login_policy,
    Step.ENSURE_PULL_USER: ensure_pull_user,
    Step.ENSURE_USER_POLICY: ensure_user_policy,
    Step.REMOVE_PULL_USER: remove_pull_user,
    Step.ENSURE_ACCESS_KEY: ensure_access_key,
    Step.SET_KEY_STATUS: set_key_status,
    Step.REMOVE_ACCESS_KEY: remove_access_key,
    Step.VERIFY_ACCESS_KEY: verify_access_key,
}
