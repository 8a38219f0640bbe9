"""The plan: what is wanted against what AWS has."""

from hypothesis import given
from hypothesis import strategies as st

from provisioning import steps
from provisioning.models import StepAttempt
from provisioning.plan import ACCESS_KEYS_PER_USER, ObservedUser, Step, WantedUser, diff

keys = st.sets(st.sampled_from(["AKIA1", "AKIA2", "AKIA3"]), max_size=ACCESS_KEYS_PER_USER)
statuses = st.sampled_from(["Active", "Inactive"])
observed_users = st.builds(
    lambda has_policy, is_complete, keys: ObservedUser(
        has_login_policy=has_policy or is_complete,
        is_present=True,
        is_complete=is_complete,
        keys=dict.fromkeys(keys, "Active"),
    ),
    st.booleans(),
    st.booleans(),
    keys,
)
wanted_users = st.builds(
    lambda keys, needs_key: WantedUser(
        is_present=True, keys=frozenset(sorted(keys)[: 1 if needs_key else 2]), needs_key=needs_key
    ),
    keys,
    st.booleans(),
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
    assert diff(WantedUser(is_present=True, keys=frozenset({"AKIA1"})), observed) == []
    assert (
        diff(WantedUser(is_present=False), ObservedUser(has_login_policy=True, is_present=False))
        == []
    )


def test_new_key_comes_before_the_old_one_goes() -> None:
    observed = ObservedUser(
        has_login_policy=True, is_present=True, is_complete=True, keys={"AKIA1": "Active"}
    )
    assert diff(WantedUser(is_present=True, needs_key=True), observed) == [
        Step("ensure_access_key"),
        Step("remove_access_key", "AKIA1"),
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
    living, made = set(observed.keys), set()
    for step in diff(wanted, observed):
        if step.name == "ensure_access_key":
            made.add("AKIANEW")
        elif step.name == "remove_access_key":
            living.remove(step.access_key_id)
        assert len(living | made) <= ACCESS_KEYS_PER_USER
    assert living == wanted.keys & observed.keys.keys()
    assert bool(made) == wanted.needs_key


def test_every_step_has_its_function_and_its_words() -> None:
    assert set(steps._STEPS) | {"ensure_repository_statement"} == set(StepAttempt.Step.values)
