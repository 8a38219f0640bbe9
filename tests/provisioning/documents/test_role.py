"""The portal's own role: it can do its work, and cannot take over the account."""

from provisioning.documents import role

ACCOUNT = "123456789012"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/ecr-portal-boundary"
WITHOUT = role.portal_role_policy(ACCOUNT, "/ecr-portal/", "Login")
WITHIN = role.portal_role_policy(ACCOUNT, "/ecr-portal/", "Login", BOUNDARY)
READING = ("iam:Get", "iam:List", "iam:Simulate")


def by_action(document: role.Document) -> dict[str, role.Document]:
    return {action: s for s in document["Statement"] for action in s["Action"]}


def test_role_changes_nothing_in_iam_outside_its_path() -> None:
    for action, statement in by_action(WITHIN).items():
        if action.startswith("iam:") and not action.startswith(READING):
            assert "/ecr-portal/" in statement["Resource"], action


def test_role_attaches_and_creates_no_policy_but_the_sign_in_policy() -> None:
    login = f"arn:aws:iam::{ACCOUNT}:policy/ecr-portal/Login"
    for document in (WITHOUT, WITHIN):
        actions = by_action(document)
        assert actions["iam:AttachUserPolicy"]["Condition"] == {
            "ArnEquals": {"iam:PolicyARN": login}
        }
        assert actions["iam:CreatePolicy"]["Resource"] == login


def test_without_a_boundary_the_role_cannot_write_users_own_policies() -> None:
    assert "iam:PutUserPolicy" not in by_action(WITHOUT)


def test_with_a_boundary_the_role_creates_and_widens_no_user_outside_it() -> None:
    actions = by_action(WITHIN)
    for action in ("iam:CreateUser", "iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"):
        assert actions[action]["Condition"] == {"ArnEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    assert not {"iam:DeleteUserPermissionsBoundary", "iam:*", "*"} & actions.keys()


def test_boundary_allows_signing_in_and_pulling_and_nothing_else() -> None:
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
