"""Policy documents. Properties are checked on documents as AWS may hold and return them."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning import placement, policies

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
def test_foreign_statements_stay_untouched_whoever_comes_and_goes(
    foreign: list[Any], before: set[str], after: set[str]
) -> None:
    first = policies.repository_policy(document(*foreign), before)
    second = policies.repository_policy(first, after)
    kept = [s for s in policies.statements(second) if s["Sid"] != policies.OUR_SID]
    assert kept == foreign
    assert policies.principals(second) == after


def test_policy_without_users_and_foreign_statements_is_none_at_all() -> None:
    ours = policies.repository_policy(None, [ALICE])
    assert policies.repository_policy(ours, []) is None
    assert policies.repository_policy(document(FOREIGN), []) == document(FOREIGN)


def test_other_keys_of_a_found_document_are_carried_over() -> None:
    found = {"Version": "2008-10-17", "Id": "vendor", "Statement": FOREIGN}
    made = policies.repository_policy(found, [ALICE])
    assert made is not None
    assert (made["Version"], made["Id"]) == ("2008-10-17", "vendor")
    assert made["Statement"][0] == FOREIGN


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
def test_every_change_of_meaning_is_seen(change: dict[str, Any]) -> None:
    one = policies.repository_policy(None, [ALICE, CHARLIE])
    assert one is not None
    other = document(one["Statement"][0] | change)
    assert not policies.same_meaning(one, other)
    assert not policies.same_meaning(one, None)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Statement": ["x"]}'])
def test_malformed_policy_is_said_to_be_one(text: str) -> None:
    with pytest.raises(policies.MalformedPolicy):
        policies.from_json(text)


def test_our_statement_rewritten_by_hand_is_read_without_falling_over() -> None:
    assert policies.principals(document({"Sid": "EcrPortal", "Principal": "*"})) == set()
    assert policies.principals(document({"Sid": "EcrPortal", "Principal": {"AWS": ALICE}})) == {
        ALICE
    }


def test_document_is_counted_as_it_is_sent() -> None:
    made = policies.repository_policy(document(FOREIGN), [ALICE])
    assert placement.policy_length(made) == len(policies.to_json(made or {}))
    assert " " not in policies.to_json(made or {})


def test_statement_with_a_principal_list_holds_the_users_that_aws_md_counts() -> None:
    # 152 users of 32-character names fit into 10,240 characters, 153 do not.
    def made(count: int) -> policies.Document | None:
        names = [f"{n:032d}" for n in range(count)]
        return policies.repository_policy(
            None, [f"arn:aws:iam::123456789012:user/{name}" for name in names]
        )

    assert placement.fits(made(152))
    assert not placement.fits(made(200))


def test_login_policy_allows_signing_in_and_nothing_else() -> None:
    (statement,) = policies.login_policy()["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("ecr:GetAuthorizationToken", "*")


def test_portal_role_changes_nothing_of_iam_outside_its_path() -> None:
    role = policies.portal_role_policy("123456789012", "/ecr-portal/", "Login")
    for statement in role["Statement"]:
        if statement["Action"] == "iam:GetAccountSummary":  # knows no resource
            continue
        assert statement["Resource"].startswith(("arn:aws:iam::123456789012:", "arn:aws:ecr:"))
        actions = (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
        changing = [a for a in actions if re.match(r"iam:(?!Get|List|Simulate)", a)]
        assert not changing or "/ecr-portal/" in statement["Resource"]


def test_portal_role_can_neither_make_nor_attach_any_policy_but_the_login_policy() -> None:
    role = policies.portal_role_policy("123456789012", "/ecr-portal/", "Login")
    arn = "arn:aws:iam::123456789012:policy/ecr-portal/Login"
    by_sid = {statement["Sid"]: statement for statement in role["Statement"]}
    assert by_sid["LoginPolicy"]["Resource"] == arn
    attaching = by_sid["AttachTheLoginPolicyOnly"]
    assert attaching["Condition"] == {"ArnEquals": {"iam:PolicyARN": arn}}
    for statement in role["Statement"]:
        assert "iam:PutUserPolicy" not in statement["Action"]
