"""The portal's own role: it can do its work, and cannot take over the account."""

from provisioning.documents import role

ACCOUNT = "123456789012"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/ecr-portal-boundary"
ROLE = role.portal_role_policy(ACCOUNT, "/ecr-portal/", "Login", BOUNDARY)
READING = ("iam:Get", "iam:List", "iam:Simulate")


def by_action(document: role.Document) -> dict[str, role.Document]:
    return {action: s for s in document["Statement"] for action in s["Action"]}


def test_role_changes_nothing_in_iam_outside_its_path() -> None:
    for action, statement in by_action(ROLE).items():
        if action.startswith("iam:") and not action.startswith(READING):
            assert "/ecr-portal/" in statement["Resource"], action


def test_role_attaches_and_creates_no_policy_but_the_sign_in_policy() -> None:
    login = f"arn:aws:iam::{ACCOUNT}:policy/ecr-portal/Login"
    actions = by_action(ROLE)
    assert actions["iam:AttachUserPolicy"]["Condition"] == {"ArnEquals": {"iam:PolicyARN": login}}
    assert actions["iam:CreatePolicy"]["Resource"] == login


def test_role_creates_and_widens_no_user_outside_it() -> None:
    actions = by_action(ROLE)
    for action in ("iam:CreateUser", "iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"):
        assert actions[action]["Condition"] == {"ArnEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    assert not {"iam:DeleteUserPermissionsBoundary", "iam:*", "*"} & actions.keys()


def test_role_reaches_only_the_named_repositories() -> None:
    document = role.portal_role_policy(
        ACCOUNT, "/ecr-portal/", "Login", BOUNDARY, repositories="acme/*"
    )
    for action, statement in by_action(document).items():
        # The registry's own policy belongs to no repository.
        if action.startswith("ecr:") and action != "ecr:GetRegistryPolicy":
            assert statement["Resource"] == f"arn:aws:ecr:*:{ACCOUNT}:repository/acme/*"


def test_boundary_allows_signing_in_and_pulling_with_a_key_and_denies_everything_else() -> None:
    *allowing, denying, of_sessions = role.boundary(ACCOUNT)["Statement"]
    may = {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    }
    allowed = [statement["Action"] for statement in allowing]
    assert {a for each in allowed for a in ([each] if isinstance(each, str) else each)} == may
    assert denying == {"Effect": "Deny", "NotAction": denying["NotAction"], "Resource": "*"}
    assert set(denying["NotAction"]) == may
    assert of_sessions["Effect"] == "Deny"
    assert of_sessions["Condition"] == {"Null": {"aws:TokenIssueTime": "false"}}
