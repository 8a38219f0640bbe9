"""Policy documents. Properties are checked on documents as AWS may store and return them."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from provisioning.documents import grammar, limits, policies
from provisioning.documents.policies import UserPolicy

ALICE = "arn:aws:iam::123456789012:user/ecr-portal/birch-bank"
CHARLIE = "arn:aws:iam::123456789012:user/ecr-portal/cedar-clinic"

FOREIGN = {
    "Sid": "BuildServer",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:role/build"},
    "Action": ["ecr:PutImage"],
    "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-123"}},
}

OURS = policies.Owner("EcrPortal0badcafe")

arns = st.sampled_from([ALICE, CHARLIE, "AIDAEXAMPLE", "arn:aws:iam::1:root"])
foreign_statements = st.fixed_dictionaries(
    {
        "Sid": st.sampled_from(["A", "B", "BuildServer"]),
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Principal": st.one_of(
            st.just("*"), st.fixed_dictionaries({"AWS": st.lists(arns, min_size=1)})
        ),
        "Action": st.lists(st.sampled_from(policies.PULL_ACTIONS), min_size=1, unique=True),
    }
)


def document(*statements: Any) -> grammar.Document:
    return {"Version": grammar.VERSION, "Statement": list(statements)}


def test_statement_names_its_users_and_the_pull_actions_only() -> None:
    assert policies.repository_policy(None, [ALICE], OURS) == document(
        {
            "Sid": OURS.sid,
            "Effect": "Allow",
            "Principal": {"AWS": [ALICE]},
            "Action": [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
        }
    )


@given(st.lists(foreign_statements), st.sets(arns), st.sets(arns))
def test_foreign_statements_stay_unchanged_whichever_users_come_and_go(
    foreign: list[Any], before: set[str], after: set[str]
) -> None:
    assume(not policies.dead_principals(document(*foreign), OURS))
    first = policies.repository_policy(document(*foreign), before, OURS)
    second = policies.repository_policy(first, after, OURS)
    kept = [s for s in grammar.statements(second) if s["Sid"] != OURS.sid]
    assert kept == foreign
    assert policies.seen_in(second, OURS) == after


def test_without_users_and_foreign_statements_there_is_no_policy() -> None:
    ours = policies.repository_policy(None, [ALICE], OURS)
    assert policies.repository_policy(ours, [], OURS) is None
    assert policies.repository_policy(document(FOREIGN), [], OURS) == document(FOREIGN)


def test_other_keys_of_an_existing_document_are_kept() -> None:
    existing = {"Version": "2008-10-17", "Id": "vendor", "Statement": FOREIGN}
    policy = policies.repository_policy(existing, [ALICE], OURS)
    assert policy is not None
    assert (policy["Version"], policy["Id"]) == ("2008-10-17", "vendor")
    assert policy["Statement"][0] == FOREIGN


def test_order_and_scalars_carry_no_meaning() -> None:
    ours = policies.repository_policy(document(FOREIGN), [ALICE, CHARLIE], OURS)
    assert ours is not None
    returned = json.loads(json.dumps(ours))
    returned["Statement"].reverse()
    returned["Statement"][0]["Action"].reverse()
    returned["Statement"][0]["Principal"]["AWS"].reverse()
    returned["Statement"][1]["Action"] = "ecr:PutImage"
    assert grammar.same_meaning(ours, returned)


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny"},
        {"Principal": {"AWS": [ALICE]}},
        {"Action": ["ecr:BatchGetImage"]},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ],
)
def test_every_change_of_meaning_is_detected(change: dict[str, Any]) -> None:
    one = policies.repository_policy(None, [ALICE, CHARLIE], OURS)
    assert one is not None
    other = document(one["Statement"][0] | change)
    assert not grammar.same_meaning(one, other)
    assert not grammar.same_meaning(one, None)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Statement": ["x"]}'])
def test_malformed_policy_is_rejected(text: str) -> None:
    with pytest.raises(grammar.MalformedPolicy):
        grammar.from_json(text)


@pytest.mark.parametrize(
    "edited",
    [
        {"Principal": "*"},
        {"Effect": "Deny"},
        {"Action": "ecr:BatchGetImage"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ],
)
def test_statement_of_ours_that_was_edited_lets_nobody_pull_for_sure(
    edited: dict[str, Any],
) -> None:
    ours = policies.pull_statement([ALICE], OURS)
    assert policies.seen_in(document(ours), OURS) == {ALICE}
    assert policies.seen_in(document(ours | edited), OURS) == set()
    before, after = (policies.fingerprint(document(s), OURS) for s in (ours, ours | edited))
    assert before != after


def test_statement_of_the_former_name_is_ours_where_all_it_names_is_known() -> None:
    former = policies.pull_statement([ALICE, CHARLIE], policies.Owner(policies.OUR_SID))
    known = policies.Owner(OURS.sid, frozenset({ALICE, CHARLIE}))
    assert policies.seen_in(document(former), known) == {ALICE, CHARLIE}
    assert policies.repository_policy(document(former), [], known) is None
    other = policies.Owner(OURS.sid, frozenset({ALICE}))
    assert policies.seen_in(document(former), other) == set()
    assert policies.repository_policy(document(former), [], other) == document(former)


def test_missing_version_stays_missing() -> None:
    policy = policies.repository_policy({"Statement": FOREIGN}, [ALICE], OURS)
    assert policy is not None
    assert "Version" not in policy


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_dead_that_were_spared_leave_a_statement_of_the_same_meaning(effect: str) -> None:
    statement = {"Sid": "Only", "Effect": effect, "Action": "ecr:*"}
    spared = statement | {"NotPrincipal": {"AWS": ["AROAGONE", ALICE]}}
    kept = grammar.statements(policies.repository_policy(document(spared), [], OURS))
    assert kept == [statement | {"NotPrincipal": {"AWS": [ALICE]}}]
    nobody = statement | {"NotPrincipal": {"AWS": "AROAGONE"}}
    kept = grammar.statements(policies.repository_policy(document(nobody), [], OURS))
    assert kept == [statement | {"Principal": "*"}]
    assert policies.dead_principals(document(nobody), OURS) == {"AROAGONE": ["Only"]}


def test_document_is_measured_as_it_is_sent() -> None:
    policy = policies.repository_policy(document(FOREIGN), [ALICE], OURS)
    assert limits.policy_length(policy) == len(grammar.to_json(policy or {}))
    assert " " not in grammar.to_json(policy or {})


def test_151_users_with_long_names_fit_into_one_statement() -> None:
    # 151 users of 32-character names fit into 10,240 characters.
    def length(count: int) -> int:
        names = [f"{n:032d}" for n in range(count)]
        return limits.policy_length(
            policies.repository_policy(
                None, [f"arn:aws:iam::123456789012:user/{name}" for name in names], OURS
            )
        )

    assert length(151) <= limits.REPOSITORY_POLICY_LIMIT < length(200)
    each = limits.principal_length("arn:aws:iam::123456789012:user/" + "0" * 32)
    # The length computed beforehand is the length sent, except for the last comma.
    assert length(151) == limits.STATEMENT_LENGTH + 151 * each - 1


def test_login_policy_allows_signing_in_and_nothing_else() -> None:
    (statement,) = policies.login_policy()["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("ecr:GetAuthorizationToken", "*")


def test_deleted_principals_are_removed_from_foreign_statements_and_others_stay() -> None:
    dead, mixed = (
        FOREIGN | {"Sid": sid, "Principal": {"AWS": who}}
        for sid, who in (("Dead", "AIDAGONE"), ("Mixed", ["AROAGONE", ALICE]))
    )
    policy = policies.repository_policy(document(dead, FOREIGN, mixed), [], OURS)
    assert grammar.statements(policy) == [FOREIGN, mixed | {"Principal": {"AWS": [ALICE]}}]
    assert policies.dead_principals(document(dead, FOREIGN, mixed), OURS) == {
        "AIDAGONE": ["Dead"],
        "AROAGONE": ["Mixed"],
    }


@pytest.mark.parametrize(
    "content",
    [
        UserPolicy(),
        UserPolicy(frozenset({"arn:b", "arn:a"})),
        UserPolicy(sources=frozenset({"203.0.113.0/24", "2001:db8::/32"})),
        UserPolicy(frozenset({"arn:a"}), frozenset({"203.0.113.7/32"})),
    ],
)
def test_only_a_user_policy_as_the_portal_writes_it_is_read_back(content: UserPolicy) -> None:
    written = policies.user_policy(content)
    assert policies.content_of(written) == content
    for statement in grammar.statements(written):
        changed = statement | {"Action": "ecr:*", "Resource": "x"}
        assert policies.content_of({"Version": "2012-10-17", "Statement": [changed]}) is None


def test_limit_to_networks_denies_everything_from_elsewhere() -> None:
    (statement,) = grammar.statements(
        policies.user_policy(UserPolicy(sources=frozenset({"203.0.113.0/24"})))
    )
    assert statement["Effect"] == "Deny"
    assert (statement["Action"], statement["Resource"]) == ("*", "*")
    assert statement["Condition"] == {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}
