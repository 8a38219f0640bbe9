"""The portal's own role: it can do its work, and not make itself the account's master."""

from provisioning import role

ACCOUNT = "123456789012"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/ecr-portal-boundary"
WITHOUT = role.portal_role_policy(ACCOUNT, "/ecr-portal/", "Login")
WITHIN = role.portal_role_policy(ACCOUNT, "/ecr-portal/", "Login", BOUNDARY)


READING = ("iam:Get", "iam:List", "iam:Simulate")


def by_action(document: role.Document) -> dict[str, role.Document]:
    return {action: s for s in document["Statement"] for action in s["Action"]}


def test_it_changes_nothing_of_iam_outside_its_path() -> None:
    for action, statement in by_action(WITHIN).items():
        if action.startswith("iam:") and not action.startswith(READING):
            assert "/ecr-portal/" in statement["Resource"], action


def test_it_attaches_no_policy_but_the_login_policy_and_writes_no_other() -> None:
    login = f"arn:aws:iam::{ACCOUNT}:policy/ecr-portal/Login"
    for document in (WITHOUT, WITHIN):
        actions = by_action(document)
        assert actions["iam:AttachUserPolicy"]["Condition"] == {
            "ArnEquals": {"iam:PolicyARN": login}
        }
        assert actions["iam:CreatePolicy"]["Resource"] == login


def test_without_a_boundary_it_cannot_write_users_own_policies() -> None:
    assert "iam:PutUserPolicy" not in by_action(WITHOUT)


def test_within_a_boundary_it_makes_and_widens_no_user_outside_it() -> None:
    actions = by_action(WITHIN)
    for action in ("iam:CreateUser", "iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"):
        assert actions[action]["Condition"] == {"ArnEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    assert not {"iam:DeleteUserPermissionsBoundary", "iam:*", "*"} & actions.keys()


def test_boundary_lets_sign_in_and_pull_and_nothing_else() -> None:
    allowed = {
        action
        for statement in role.boundary(ACCOUNT)["Statement"]
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }
    assert allowed == {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    }
