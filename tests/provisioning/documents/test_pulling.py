"""Whom a repository's policy lets pull, without asking AWS."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.documents import pulling
from provisioning.documents.grammar import Document
from provisioning.documents.policies import PULL_ACTIONS
from provisioning.documents.pulling import NEEDED, Denial

CUSTOMER = "arn:aws:iam::123456789012:user/ecr-portal/alice"
ECR = "arn:aws:ecr:eu-central-1:123456789012:repository"
PARTNER = "arn:aws:iam::210987654321:root"
CAN, CANNOT_TELL, CANNOT = "can pull", "depends on conditions", "cannot pull"


def allow(principal: Any, actions: str | list[str] = "", **more: Any) -> Document:
    action = actions or list(PULL_ACTIONS)
    return {"Effect": "Allow", "Principal": principal, "Action": action} | more


def deny(principal: Any, actions: str | list[str] = "", **more: Any) -> Document:
    return allow(principal, actions, **more) | {"Effect": "Deny"}


def all_but(*spared: str) -> Document:
    return {"Effect": "Deny", "NotPrincipal": {"AWS": list(spared)}, "Action": "ecr:*"}


def verdicts(*statements: Document) -> dict[str, str]:
    found = pulling.pullers({"Version": "2012-10-17", "Statement": list(statements)})
    return {each["principal"]: each["verdict"] for each in found}


VPCE = {"StringNotEquals": {"aws:SourceVpce": "vpce-0123"}}
ORGANISATION = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
LAMBDA = {"Service": "lambda.amazonaws.com"}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], {}),
        ([allow({"AWS": PARTNER})], {PARTNER: CAN}),
        ([allow({"AWS": [PARTNER, CUSTOMER]})], {PARTNER: CAN, CUSTOMER: CAN}),
        ([allow("*", "ecr:*")], {"*": CAN}),
        ([allow({"AWS": PARTNER}, ["ecr:batchget*", "ecr:Get*"])], {PARTNER: CAN}),
        ([allow({"AWS": PARTNER}, ["ecr:BatchGetImag?", "ecr:G*Layer"])], {PARTNER: CAN}),
        # Both calls are needed, whichever statements allow them.
        ([allow({"AWS": PARTNER}, NEEDED[0])], {}),
        (
            [allow({"AWS": PARTNER}, NEEDED[0]), allow({"AWS": PARTNER}, NEEDED[1])],
            {PARTNER: CAN},
        ),
        (
            [allow("*", NEEDED[0]), allow({"AWS": PARTNER}, NEEDED[1])],
            {PARTNER: CAN},
        ),
        ([allow({"AWS": PARTNER}, "ecr:PutImage")], {}),
        ([{"Effect": "Allow", "Principal": "*", "NotAction": "ecr:PutImage"}], {"*": CAN}),
        ([{"Effect": "Allow", "Principal": "*", "NotAction": "ecr:Get*"}], {}),
        ([allow(LAMBDA)], {"lambda.amazonaws.com": CAN}),
        (
            [allow({"Federated": "cognito-identity.amazonaws.com"})],
            {"cognito-identity.amazonaws.com": CAN},
        ),
        ([allow("*", Condition=ORGANISATION)], {"*": CANNOT_TELL}),
        (
            [allow("*", Condition=ORGANISATION), allow({"AWS": PARTNER})],
            {"*": CANNOT_TELL, PARTNER: CAN},
        ),
        ([allow({"AWS": CUSTOMER}), deny("*", Condition=VPCE)], {CUSTOMER: CANNOT_TELL}),
        ([allow({"AWS": CUSTOMER}), deny("*")], {CUSTOMER: CANNOT}),
        ([allow({"AWS": CUSTOMER}), deny("*", "ecr:Set*")], {CUSTOMER: CAN}),
        ([allow({"AWS": CUSTOMER}), deny({"AWS": "123456789012"})], {CUSTOMER: CANNOT}),
        ([allow({"AWS": CUSTOMER}), deny({"AWS": PARTNER})], {CUSTOMER: CAN}),
        ([allow({"AWS": "210987654321"}), deny({"AWS": PARTNER})], {"210987654321": CANNOT}),
        (
            [
                allow({"AWS": [PARTNER, CUSTOMER]}),
                {"Effect": "Deny", "NotPrincipal": {"AWS": PARTNER}, "Action": "ecr:*"},
            ],
            {PARTNER: CAN, CUSTOMER: CANNOT},
        ),
        # A user is spared only together with its account; an account is, by its ARN or its id.
        ([allow({"AWS": CUSTOMER}), all_but(CUSTOMER)], {CUSTOMER: CANNOT}),
        ([allow({"AWS": CUSTOMER}), all_but("123456789012", CUSTOMER)], {CUSTOMER: CAN}),
        ([allow({"AWS": CUSTOMER}), all_but("123456789012")], {CUSTOMER: CANNOT}),
        ([allow({"AWS": PARTNER}), all_but("210987654321")], {PARTNER: CAN}),
        (
            [{"Effect": "Allow", "NotPrincipal": {"AWS": PARTNER}, "Action": "ecr:*"}],
            {"*": CAN},
        ),
        # A policy of a user or role names no principal: it lets nobody into a repository.
        ([{"Effect": "Allow", "Action": "*", "Resource": "*"}], {}),
    ],
)
def test_verdict_follows_from_every_statement_of_the_policy(
    statements: list[Document], expected: dict[str, str]
) -> None:
    assert verdicts(*statements) == expected


def test_answer_says_which_statements_and_conditions_decide() -> None:
    lambdas = allow(
        LAMBDA, Sid="Images", Condition={"StringLike": {"aws:sourceArn": "arn:aws:lambda:*"}}
    )
    guard = deny("*", Sid="Vpce", Condition=VPCE)
    (found,) = pulling.pullers({"Statement": [lambdas, guard]})
    assert found == {
        "principal": "lambda.amazonaws.com",
        "kind": "Service",
        "verdict": CANNOT_TELL,
        "sids": ["Images"],
        "condition": ["aws:sourceArn"],
        "denied_by": ["statement Vpce, depending on aws:SourceVpce"],
        "spared": [],
    }


@pytest.mark.parametrize(
    ("resource", "is_about"),
    [
        ({"Resource": "*"}, True),
        ({"Resource": [f"{ECR}/acme/*"]}, True),
        ({"Resource": f"{ECR}/other/*"}, False),
        ({"NotResource": f"{ECR}/acme/*"}, False),
        ({"NotResource": f"{ECR}/other/*"}, True),
    ],
)
def test_registrys_policy_counts_where_it_is_about_the_repository(
    resource: dict[str, Any], *, is_about: bool
) -> None:
    guard = deny("*", "ecr:BatchGetImage", Sid="Guard") | resource
    own = {"Statement": allow({"AWS": "210987654321"})}
    in_effect = pulling.in_effect(own, {"Statement": [guard]}, f"{ECR}/acme/server")
    (puller,) = pulling.pullers(in_effect)
    assert puller["verdict"] == ("cannot pull" if is_about else "can pull")
    names = [str(Denial(**each)) for each in pulling.denials(in_effect)]
    assert names == (["statement Guard of the registry's policy"] if is_about else [])


def test_denial_that_spares_an_account_is_for_every_pull_user() -> None:
    root = "arn:aws:iam::123456789012:root"
    only = {"Effect": "Deny", "NotPrincipal": {"AWS": [root, CUSTOMER]}, "Action": "ecr:*"}
    (denial,) = pulling.denied({"Statement": only}, PULL_ACTIONS)
    assert not denial.is_for(CUSTOMER)
    assert denial.is_for_pull_user(CUSTOMER)
    assert denial.name == f"anyone but {root}, {CUSTOMER}"


def test_what_was_stored_before_a_denial_knew_whom_it_spares_is_still_read() -> None:
    stored = [{"sid": "Vpce", "principals": ["*"], "condition": []}]
    assert pulling.denials_of(stored, CUSTOMER) == [Denial("Vpce", ["*"], [])]


# --- The command ---------------------------------------------------------------------------


def who_can_pull(tmp_path: Path, text: str, *arguments: str) -> str:
    file = tmp_path / "policy.json"
    file.write_text(text)
    output = StringIO()
    call_command("who_can_pull", "--policy", str(file), *arguments, stdout=output)
    return output.getvalue()


GUARDED = json.dumps(
    {"Statement": [allow({"AWS": PARTNER}, Sid="Partner"), deny("*", Condition=VPCE)]}
)


def test_command_prints_one_line_for_each_principal_and_each_denial(tmp_path: Path) -> None:
    guard = "a statement without a Sid, depending on aws:SourceVpce"
    assert who_can_pull(tmp_path, GUARDED).splitlines() == [
        f"depends on conditions: {PARTNER} (by statement Partner); denied by {guard}",
        f"denied: anyone (by {guard})",
    ]
    assert who_can_pull(tmp_path, "{}") == "This policy lets nobody pull.\n"


def test_command_prints_json_for_programs(tmp_path: Path) -> None:
    found = json.loads(who_can_pull(tmp_path, GUARDED, "--json"))
    assert [(each["principal"], each["verdict"]) for each in found["pullers"]] == [
        (PARTNER, CANNOT_TELL)
    ]
    assert [each["condition"] for each in found["denials"]] == [["aws:SourceVpce"]]


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"Statement": [3]}',
        '{"Statement": {"Effect": "Allow", "Principal": 3}}',
        '{"Statement": {"Effect": "Allow", "Principal": "*", "Condition": []}}',
        '{"Statement": {"Effect": "Allow", "Principal": "*", "Condition": {"Bool": "x"}}}',
    ],
)
def test_command_refuses_what_is_no_policy_with_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(CommandError, match="The policy"):
        who_can_pull(tmp_path, text)


def test_command_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"missing\.json"):
        call_command("who_can_pull", "--policy", str(tmp_path / "missing.json"))
