"""The plan: what is wanted against what AWS has."""

from hypothesis import given
from hypothesis import strategies as st

from provisioning import steps
from provisioning.models import StepAttempt
from provisioning.plan import ACCESS_KEYS_PER_USER, ObservedUser, Step, WantedUser, diff

keys = st.sets(st.sampled_from(["AKIA1", "AKIA2", "AKIA3"]), max_size=ACCESS_KEYS_PER_USER)
statuses = st.sampled_from(["Active", "Inactive"])
observed_users = st.builds(
    lambda has_policy, is_complete, keys, repositories: ObservedUser(
        has_login_policy=has_policy or is_complete,
        is_present=True,
        is_complete=is_complete,
        keys=keys,
        repositories=repositories,
    ),
    st.booleans(),
    st.booleans(),
    st.dictionaries(st.sampled_from(["AKIA1", "AKIA2", "AKIA3"]), statuses, max_size=2),
    st.none() | st.frozensets(st.sampled_from(["server", "agent"])),
)
repositories = st.frozensets(st.sampled_from(["server", "agent"]))
wanted_users = st.builds(
    lambda keys, status, needs_key, repositories: WantedUser(
        is_present=True,
        keys=dict.fromkeys(sorted(keys)[: 1 if needs_key else 2], str(status)),
        needs_key=needs_key,
        repositories=repositories,
    ),
    keys,
    statuses,
    st.booleans(),
    repositories,
)


def names(wanted: WantedUser, observed: ObservedUser) -> list[str]:
    return [step.name for step in diff(wanted, observed)]


def test_first_customer_of_an_account_takes_every_step_in_order() -> None:
    nothing = ObservedUser(has_login_policy=False, is_present=False)
    assert names(WantedUser(is_present=True, needs_key=True), nothing) == [
        "ensure_login_policy",
        "ensure_pull_user",
        "ensure_access_key",
    ]


def test_nothing_is_done_where_aws_agrees() -> None:
    observed = ObservedUser(
        has_login_policy=True, is_present=True, is_complete=True, keys={"AKIA1": "Active"}
    )
    assert diff(WantedUser(is_present=True, keys={"AKIA1": "Active"}), observed) == []
    assert (
        diff(WantedUser(is_present=False), ObservedUser(has_login_policy=True, is_present=False))
        == []
    )


def test_what_must_go_goes_before_anything_that_may_fail() -> None:
    observed = ObservedUser(
        has_login_policy=False, is_present=True, keys={"AKIA1": "Active", "AKIA2": "Active"}
    )
    wanted = WantedUser(is_present=True, keys={"AKIA2": "Inactive"}, needs_key=True)
    assert diff(wanted, observed) == [
        Step("remove_access_key", "AKIA1"),
        Step("set_key_status", "AKIA2", "Inactive"),
        Step("ensure_login_policy"),
        Step("ensure_pull_user"),
        Step("ensure_access_key"),
    ]


def test_own_policy_that_is_not_the_portals_is_written_again() -> None:
    observed = ObservedUser(
        has_login_policy=True, is_present=True, is_complete=True, repositories=None
    )
    assert names(WantedUser(is_present=True), observed) == ["ensure_user_policy"]


def test_own_policy_goes_before_the_keys_and_the_user() -> None:
    observed = ObservedUser(
        has_login_policy=True,
        is_present=True,
        keys={"AKIA1": "Active"},
        repositories=frozenset({"server"}),
    )
    assert names(WantedUser(is_present=False), observed) == [
        "ensure_user_policy",
        "remove_access_key",
        "remove_pull_user",
    ]


def test_keys_go_before_their_user() -> None:
    observed = ObservedUser(
        has_login_policy=True, is_present=True, is_complete=True, keys={"AKIA1": "Inactive"}
    )
    assert diff(WantedUser(is_present=False), observed) == [
        Step("remove_access_key", "AKIA1"),
        Step("remove_pull_user"),
    ]


@given(wanted_users, observed_users)
def test_carried_out_plan_leaves_nothing_to_do_and_never_a_third_key(
    wanted: WantedUser, observed: ObservedUser
) -> None:
    living, made, opened = dict(observed.keys), set(), observed.repositories
    for step in diff(wanted, observed):
        match step.name:
            case "ensure_access_key":
                made.add("AKIANEW")
            case "remove_access_key":
                del living[step.access_key_id]
            case "set_key_status":
                living[step.access_key_id] = step.status
            case "ensure_user_policy":
                opened = wanted.repositories
        assert len(living) + len(made) <= ACCESS_KEYS_PER_USER
    assert living == {key: wanted.keys[key] for key in wanted.keys & observed.keys.keys()}
    assert bool(made) == wanted.needs_key
    assert opened == wanted.repositories


def test_every_step_has_its_function_and_its_words() -> None:
    assert set(steps.STEPS) | {"ensure_repository_statement"} == set(StepAttempt.Step.values)
