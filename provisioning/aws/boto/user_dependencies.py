"""What keeps IAM from deleting a user, besides what the portal gave it: a password, a group, a
device. See DeleteUser in the IAM API reference."""

from typing import Any

from provisioning.aws import errors


def remove(iam: Any, name: str) -> None:
    """Remove everything that depends on the user. Raises PermanentError where it is in groups:
    a role that may remove users from groups could lock the account's people out."""
    groups = [group["GroupName"] for group in _all(iam, "list_groups_for_user", "Groups", name)]
    if groups:
        raise errors.PermanentError(
            f"The user {name} is in the IAM groups {', '.join(groups)}. The AWS account's "
            "administrator can remove it from them; the portal then deletes it."
        )
    for key in _all(iam, "list_access_keys", "AccessKeyMetadata", name):
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    for policy in _all(iam, "list_user_policies", "PolicyNames", name):
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    for policy in _all(iam, "list_attached_user_policies", "AttachedPolicies", name):
        iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
    for device in _all(iam, "list_mfa_devices", "MFADevices", name):
        iam.deactivate_mfa_device(UserName=name, SerialNumber=device["SerialNumber"])
    for certificate in _all(iam, "list_signing_certificates", "Certificates", name):
        iam.delete_signing_certificate(UserName=name, CertificateId=certificate["CertificateId"])
    for key in _all(iam, "list_ssh_public_keys", "SSHPublicKeys", name):
        iam.delete_ssh_public_key(UserName=name, SSHPublicKeyId=key["SSHPublicKeyId"])
    listed = iam.list_service_specific_credentials(UserName=name)
    for credential in listed["ServiceSpecificCredentials"]:
        iam.delete_service_specific_credential(
            UserName=name, ServiceSpecificCredentialId=credential["ServiceSpecificCredentialId"]
        )
    try:
        iam.delete_login_profile(UserName=name)
    except iam.exceptions.NoSuchEntityException:
        pass


def _all(iam: Any, operation: str, answer: str, name: str) -> list[Any]:
    pages = iam.get_paginator(operation).paginate(UserName=name)
    return [found for page in pages for found in page[answer]]
