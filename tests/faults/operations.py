"""The operations of AWS that the portal calls, by what it calls them for."""

PROVISIONING = [
    "AssumeRole",
    "GetUser",
    "GetPolicy",
    "CreatePolicy",
    "CreateUser",
    "AttachUserPolicy",
    "CreateAccessKey",
    "DescribeRepositories",
    "DescribeImages",
    "GetRepositoryPolicy",
    "SetRepositoryPolicy",
]
REMOVAL = [
    "DeleteRepositoryPolicy",
    "ListAccessKeys",
    "DeleteAccessKey",
    "ListAttachedUserPolicies",
    "DetachUserPolicy",
    "DeleteUser",
]
