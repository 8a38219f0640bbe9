"""The plan: the steps from what AWS has to what is desired."""

from hypothesis import given
from hypothesis import strategies as st

from provisioning.documents.limits import ACCESS_KEYS_PER_USER
from provisioning.documents.policies import UserPolicy
from provisioning.reconciler.pull_user.plan import (
    DesiredUser,
    ObservedUser,
    PlannedStep,
    diff,
)
from provisioning.states import Step

keys = st.sets(st.sampled_from(["AKIA1", "AKIA2", "AKIA3"]), max_size=ACCESS_KEYS_PER_USER)
statuses = st.sampled_from(["Active", "Inactive"])
own_policies = st.builds(
    UserPolicy,
    st.frozensets(st.sampled_from(["server", "agent"])),
    st.frozensets(st.sampled_from(["203.0.113.0/24", "198.51.100.7/32"])),
)
observed_users = st.builds(
    lambda has_policy, is_complete, keys, own_policy: ObservedUser(
        has_login_policy=has_policy or is_complete,
        is_present=True,
        is_complete=is_complete,
        keys=keys,
        own_policy=own_policy,
    ),
    st.booleans(),
    st.booleans(),
    st.dictionaries(st.sampled_from(["AKIA1", "AKIA2", "AKIA3"]), statuses, max_size=2),
    st.none() | own_policies,
)
desired_users = st.builds(
    lambda keys, status, needs_key, own_policy: DesiredUser(
        is_present=True,
        keys=dict.fromkeys(sorted(keys)[: 1 if needs_key else 2], str(status)),
        needs_key=needs_key,
        own_policy=own_policy,
    ),
    keys,
    statuses,
    st.booleans(),
    own_policies,
)


def steps(desired: DesiredUser, observed: ObservedUser) -> list[Step]:
    return [planned.step for planned in diff(desired, observed)]


def test_first_customer_of_an_account_takes_every_step_in_order() -> None:
    nothing = ObservedUser(has_login_policy=False, is_present=False)
    assert steps(DesiredUser(is_present=True, needs_key=True), nothing) == [
        Step.ENSURE_LOGIN_POLICY,
        Step.ENSURE_PULL_USER,
        Step.ENSURE_ACCESS_KEY,
    ]


def test_nothing_is_planned_where_aws_agrees() -> None:
    observed = ObservedUser(
        has_login_policy=True, is_present=True, is_complete=True, keys={"AKIA1": "Active"}
    )
    assert diff(DesiredUser(is_present=True, keys={"AKIA1": "Active"}), observed) == []
    assert (
        diff(DesiredUser(is_present=False), ObservedUser(has_login_policy=True, is_present=False))
        == []
    )


def test_revocations_come_before_anything_that_may_fail() -> None:
    observed = ObservedUser(
        has_login_policy=False, is_present=True, keys={"AKIA1": "Active", "AKIA2": "Active"}
    )
    desired = DesiredUser(is_present=True, keys={"AKIA2": "Inactive"}, needs_key=True)
    assert diff(desired, observed) == [
        PlannedStep(Step.REMOVE_ACCESS_KEY, "AKIA1"),
        PlannedStep(Step.SET_KEY_STATUS, "AKIA2", "Inactive"),
        PlannedStep(Step.ENSURE_LOGIN_POLICY),
        PlannedStep(Step.ENSURE_PULL_USER),
        PlannedStep(Step.ENSURE_ACCESS_KEY),
    ]


def test_user_policy_that_is_not_the_portals_is_set_again() -> None:
    observed = ObservedUser(
        has_login_policy=True, is_present=True, is_complete=True, own_policy=None
    )
    assert steps(DesiredUser(is_present=True), observed) == [Step.ENSURE_USER_POLICY]


def test_user_policy_is_removed_before_the_keys_and_the_user() -> None:
    observed = ObservedUser(
        has_login_policy=True,
        is_present=True,
        keys={"AKIA1": "Active"},
        own_policy=UserPolicy(frozenset({"server"})),
    )
    assert steps(DesiredUser(is_present=False), observed) == [
        Step.ENSURE_USER_POLICY,
        Step.REMOVE_ACCESS_KEY,
        Step.REMOVE_PULL_USER,
    ]


def test_limit_to_networks_stays_until_the_user_is_deleted() -> None:
    limited = UserPolicy(sources=frozenset({"203.0.113.0/24"}))
    observed = ObservedUser(has_login_policy=True, is_present=True, own_policy=limited)
    assert steps(DesiredUser(is_present=False), observed) == [Step.REMOVE_PULL_USER]


def test_keys_are_removed_before_their_user() -> None:
    observed = ObservedUser(
        has_login_policy=True, is_present=True, is_complete=True, keys={"AKIA1": "Inactive"}
    )
    assert diff(DesiredUser(is_present=False), observed) == [
        PlannedStep(Step.REMOVE_ACCESS_KEY, "AKIA1"),
        PlannedStep(Step.REMOVE_PULL_USER),
    ]


@given(desired_users, observed_users)
def test_plan_reaches_what_is_desired_and_never_a_third_key(
    desired: DesiredUser, observed: ObservedUser
) -> None:
    living, created, opened = dict(observed.keys), set(), observed.own_policy
    for planned in diff(desired, observed):
        match planned.step:
            case Step.ENSURE_ACCESS_KEY:
                created.add("AKIANEW")
            case Step.REMOVE_ACCESS_KEY:
                del living[planned.access_key_id]
            case Step.SET_KEY_STATUS:
                living[planned.access_key_id] = planned.status
            case Step.ENSURE_USER_POLICY:
                opened = desired.own_policy
        assert len(living) + len(created) <= ACCESS_KEYS_PER_USER
    assert living == {key: desired.keys[key] for key in desired.keys & observed.keys.keys()}
    assert bool(created) == desired.needs_key
    assert opened == desired.own_policy
