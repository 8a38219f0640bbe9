"""IAM's part of the gateway."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from provisioning.aws import errors
from provisioning.aws.boto import user_dependencies
from provisioning.aws.boto.session import AwsEndpoint
from provisioning.aws.boto.translation import gone_is_done, translated
from provisioning.aws.gateway import AccountSummary, IamUser, KeyUse, NewAccessKey
from provisioning.documents import grammar, limits
from provisioning.documents.grammar import Document

# "Managed policy versions: 5", IAM quotas.
POLICY_VERSIONS = 5


class Iam:
    endpoint: AwsEndpoint
    _iam: Any
    _iam_once: Any
    _sts: Any

    def account_id(self) -> str:
        with translated("GetCallerIdentity"):
            return str(self._sts.get_caller_identity()["Account"])

    # --- The sign-in policy ------------------------------------------------------------

    def policy_exists(self, arn: str) -> bool:
        try:
            with translated("GetPolicy"):
                self._iam.get_policy(PolicyArn=arn)
        except errors.NotFound:
            return False
        return True

    def policy_tags(self, arn: str) -> dict[str, str] | None:
        try:
            with translated("GetPolicy"):
                found = self._iam.get_policy(PolicyArn=arn)["Policy"]
        except errors.NotFound:
            return None
        return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}

    def tag_policy(self, arn: str, tags: Mapping[str, str]) -> None:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        with translated("TagPolicy"):
            self._iam.tag_policy(PolicyArn=arn, Tags=listed)

    def policy(self, arn: str) -> Document | None:
        try:
            with translated("GetPolicy"):
                version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            with translated("GetPolicyVersion"):
                found = self._iam.get_policy_version(PolicyArn=arn, VersionId=version)
        except errors.NotFound:
            return None
        return grammar.from_found(found["PolicyVersion"]["Document"])

    def create_policy(self, name: str, path: str, document: Document) -> None:
        with translated("CreatePolicy"):
            self._iam.create_policy(
                PolicyName=name, Path=path, PolicyDocument=grammar.to_json(document)
            )

    def replace_policy(self, arn: str, document: Document) -> None:
        with translated("ListPolicyVersions"):
            versions = self._iam.list_policy_versions(PolicyArn=arn)["Versions"]
        spare = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]
        if len(versions) >= POLICY_VERSIONS:
            oldest = min(spare, key=lambda version: int(version.lstrip("v")))
            with translated("DeletePolicyVersion"):
                self._iam.delete_policy_version(PolicyArn=arn, VersionId=oldest)
        with translated("CreatePolicyVersion"):
            self._iam.create_policy_version(
                PolicyArn=arn, PolicyDocument=grammar.to_json(document), SetAsDefault=True
            )

    # --- Users -----------------------------------------------------------------------

    def user(self, name: str) -> IamUser | None:
        try:
            with translated("GetUser"):
                return _user(self._iam.get_user(UserName=name)["User"])
        except errors.NotFound:
            return None

    def users(self, path: str) -> list[IamUser]:
        pages = self._iam.get_paginator("list_users").paginate(PathPrefix=path)
        with translated("ListUsers"):
            return [_user(user) for page in pages for user in page["Users"]]

    def account_summary(self) -> AccountSummary:
        with translated("GetAccountSummary"):
            found = self._iam.get_account_summary()["SummaryMap"]
        return AccountSummary(
            found["Users"],
            found.get("UsersQuota", limits.USERS_PER_ACCOUNT),
            found.get("UserPolicySizeQuota", limits.USER_POLICY_LIMIT),
        )

    def create_user(
        self, name: str, path: str, tags: Mapping[str, str], boundary_arn: str
    ) -> IamUser:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        with translated("CreateUser"):
            answer = self._iam.create_user(
                UserName=name, Path=path, Tags=listed, PermissionsBoundary=boundary_arn
            )
        # IAM's answer to CreateUser may lack tags and boundary.
        brought = {"Tags": listed, "PermissionsBoundary": _boundary(boundary_arn)}
        return _user(answer["User"] | brought)

    def tag_user(self, user_name: str, tags: Mapping[str, str]) -> None:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        with translated("TagUser"):
            self._iam.tag_user(UserName=user_name, Tags=listed)

    def set_boundary(self, user_name: str, boundary_arn: str) -> None:
        with translated("PutUserPermissionsBoundary"):
            self._iam.put_user_permissions_boundary(
                UserName=user_name, PermissionsBoundary=boundary_arn
            )

    def delete_user(self, name: str) -> None:
        with gone_is_done(), translated("DeleteUser"):
            self._iam.delete_user(UserName=name)

    def strip_user(self, name: str) -> None:
        with translated("the removal of a user's dependencies"):
            user_dependencies.remove(self._iam, name)

    def attached_policies(self, user_name: str) -> set[str]:
        pages = self._iam.get_paginator("list_attached_user_policies")
        try:
            with translated("ListAttachedUserPolicies"):
                return {
                    policy["PolicyArn"]
                    for page in pages.paginate(UserName=user_name)
                    for policy in page["AttachedPolicies"]
                }
        except errors.NotFound:
            return set()

    def attach_policy(self, user_name: str, arn: str) -> None:
        with translated("AttachUserPolicy"):
            self._iam.attach_user_policy(UserName=user_name, PolicyArn=arn)

    def detach_policy(self, user_name: str, arn: str) -> None:
        with gone_is_done(), translated("DetachUserPolicy"):
            self._iam.detach_user_policy(UserName=user_name, PolicyArn=arn)

    def user_policies(self, user_name: str) -> set[str]:
        pages = self._iam.get_paginator("list_user_policies").paginate(UserName=user_name)
        try:
            with translated("ListUserPolicies"):
                return {name for page in pages for name in page["PolicyNames"]}
        except errors.NotFound:
            return set()

    def user_policy(self, user_name: str, policy_name: str) -> Document | None:
        try:
            with translated("GetUserPolicy"):
                found = self._iam.get_user_policy(UserName=user_name, PolicyName=policy_name)
        except errors.NotFound:
            return None
        return grammar.from_found(found["PolicyDocument"])

    def put_user_policy(self, user_name: str, policy_name: str, document: Document) -> None:
        with translated("PutUserPolicy"):
            self._iam.put_user_policy(
                UserName=user_name,
                PolicyName=policy_name,
                PolicyDocument=grammar.to_json(document),
            )

    def delete_user_policy(self, user_name: str, policy_name: str) -> None:
        with gone_is_done(), translated("DeleteUserPolicy"):
            self._iam.delete_user_policy(UserName=user_name, PolicyName=policy_name)

    # --- Access keys -----------------------------------------------------------------

    def access_keys(self, user_name: str) -> dict[str, str]:
        return {key["AccessKeyId"]: key["Status"] for key in self._access_keys(user_name)}

    def access_keys_created(self, user_name: str) -> dict[str, datetime]:
        return {key["AccessKeyId"]: key["CreateDate"] for key in self._access_keys(user_name)}

    def _access_keys(self, user_name: str) -> list[dict[str, Any]]:
        pages = self._iam.get_paginator("list_access_keys").paginate(UserName=user_name)
        try:
            with translated("ListAccessKeys"):
                return [key for page in pages for key in page["AccessKeyMetadata"]]
        except errors.NotFound:
            return []

    def create_access_key(self, user_name: str) -> NewAccessKey:
        with translated("CreateAccessKey"):
            key = self._iam_once.create_access_key(UserName=user_name)["AccessKey"]
        return NewAccessKey(key["AccessKeyId"], key["SecretAccessKey"])

    def set_key_status(self, user_name: str, access_key_id: str, status: str) -> None:
        with translated("UpdateAccessKey"):
            self._iam.update_access_key(
                UserName=user_name, AccessKeyId=access_key_id, Status=status
            )

    def delete_access_key(self, user_name: str, access_key_id: str) -> None:
        with gone_is_done(), translated("DeleteAccessKey"):
            self._iam.delete_access_key(UserName=user_name, AccessKeyId=access_key_id)

    def key_use(self, access_key_id: str) -> KeyUse | None:
        try:
            with translated("GetAccessKeyLastUsed"):
                used = self._iam.get_access_key_last_used(AccessKeyId=access_key_id)
        except errors.NotFound:
            return None
        last = used.get("AccessKeyLastUsed", {})
        if "LastUsedDate" not in last:
            return None
        return KeyUse(last["LastUsedDate"], last["ServiceName"], last["Region"])


def _user(found: Mapping[str, Any]) -> IamUser:
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    return IamUser(found["UserName"], found["Arn"], found["UserId"], tags, boundary)


def _boundary(arn: str) -> dict[str, str]:
    return {"PermissionsBoundaryArn": arn}
