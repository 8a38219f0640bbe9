"""Policy documents. Properties are checked on documents as AWS may store and return them."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from provisioning.documents import limits, policies
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


def document(*statements: Any) -> policies.Document:
    return {"Version": policies.VERSION, "Statement": list(statements)}


def test_statement_names_its_users_and_the_pull_actions_only() -> None:
    assert policies.repository_policy(None, [ALICE]) == document(
        {
            "Sid": "EcrPortal",
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
    assume(not policies.dead_principals(document(*foreign)))
    first = policies.repository_policy(document(*foreign), before)
    second = policies.repository_policy(first, after)
    kept = [s for s in policies.statements(second) if s["Sid"] != policies.OUR_SID]
    assert kept == foreign
    assert policies.principals(second) == after


def test_without_users_and_foreign_statements_there_is_no_policy() -> None:
    ours = policies.repository_policy(None, [ALICE])
    assert policies.repository_policy(ours, []) is None
    assert policies.repository_policy(document(FOREIGN), []) == document(FOREIGN)


def test_other_keys_of_an_existing_document_are_kept() -> None:
    existing = {"Version": "2008-10-17", "Id": "vendor", "Statement": FOREIGN}
    policy = policies.repository_policy(existing, [ALICE])
    assert policy is not None
    assert (policy["Version"], policy["Id"]) == ("2008-10-17", "vendor")
    assert policy["Statement"][0] == FOREIGN


def test_order_and_scalars_carry_no_meaning() -> None:
    ours = policies.repository_policy(document(FOREIGN), [ALICE, CHARLIE])
    assert ours is not None
    returned = json.loads(json.dumps(ours))
    returned["Statement"].reverse()
    returned["Statement"][0]["Action"].reverse()
    returned["Statement"][0]["Principal"]["AWS"].reverse()
    returned["Statement"][1]["Action"] = "ecr:PutImage"
    assert policies.same_meaning(ours, returned)


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
    one = policies.repository_policy(None, [ALICE, CHARLIE])
    assert one is not None
    other = document(one["Statement"][0] | change)
    assert not policies.same_meaning(one, other)
    assert not policies.same_meaning(one, None)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Statement": ["x"]}'])
def test_malformed_policy_is_rejected(text: str) -> None:
    with pytest.raises(policies.MalformedPolicy):
        policies.from_json(text)


def test_our_statement_edited_by_hand_can_still_be_read() -> None:
    assert policies.principals(document({"Sid": "EcrPortal", "Principal": "*"})) == set()
    assert policies.principals(document({"Sid": "EcrPortal", "Principal": {"AWS": ALICE}})) == {
        ALICE
    }


def test_document_is_measured_as_it_is_sent() -> None:
    policy = policies.repository_policy(document(FOREIGN), [ALICE])
    assert limits.policy_length(policy) == len(policies.to_json(policy or {}))
    assert " " not in policies.to_json(policy or {})


def test_152_users_with_long_names_fit_into_one_statement() -> None:
    # 152 users of 32-character names fit into 10,240 characters.
    def length(count: int) -> int:
        names = [f"{n:032d}" for n in range(count)]
        return limits.policy_length(
            policies.repository_policy(
                None, [f"arn:aws:iam::123456789012:user/{name}" for name in names]
            )
        )

    assert length(152) <= limits.REPOSITORY_POLICY_LIMIT < length(200)
    each = limits.principal_length("arn:aws:iam::123456789012:user/" + "0" * 32)
    # The length computed beforehand is the length sent, except for the last comma.
    assert length(152) == limits.STATEMENT_LENGTH + 152 * each - 1


def test_login_policy_allows_signing_in_and_nothing_else() -> None:
    (statement,) = policies.login_policy()["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("ecr:GetAuthorizationToken", "*")


def test_deleted_principals_are_removed_from_foreign_statements_and_others_stay() -> None:
    dead, mixed = (
        FOREIGN | {"Sid": sid, "Principal": {"AWS": who}}
        for sid, who in (("Dead", "AIDAGONE"), ("Mixed", ["AROAGONE", ALICE]))
    )
    policy = policies.repository_policy(document(dead, FOREIGN, mixed), [])
    assert policies.statements(policy) == [FOREIGN, mixed | {"Principal": {"AWS": [ALICE]}}]
    assert policies.dead_principals(document(dead, FOREIGN, mixed)) == {"AIDAGONE", "AROAGONE"}


def test_everyone_who_may_pull_is_listed_with_the_statement_that_allows_it() -> None:
    everybody = {"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "ecr:*"}
    pushing = FOREIGN | {"Action": ["ecr:PutImage"]}
    policy = policies.repository_policy(document(everybody, pushing), [ALICE])
    assert policies.pullers(policy) == [("*", "Open"), (ALICE, "EcrPortal")]


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
    for statement in policies.statements(written):
        changed = statement | {"Action": "ecr:*", "Resource": "x"}
        assert policies.content_of({"Version": "2012-10-17", "Statement": [changed]}) is None


def test_limit_to_networks_denies_everything_from_elsewhere() -> None:
    (statement,) = policies.statements(
        policies.user_policy(UserPolicy(sources=frozenset({"203.0.113.0/24"})))
    )
    assert statement["Effect"] == "Deny"
    assert (statement["Action"], statement["Resource"]) == ("*", "*")
    assert statement["Condition"] == {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}
