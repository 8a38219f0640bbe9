"""Operations that moto lacks or only pretends to have: the permissions boundaries of users, their
sessions, and service credentials, which no user here has."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from provisioning.embedded_aws import identities, simulation
from provisioning.embedded_aws.calls import Call

SESSION_SECONDS = 12 * 3600


def remember_boundary(call: Call) -> None:
    """The user gets the permissions boundary that the call names, if it names one."""
    if "PermissionsBoundary" in call.parameters:
        user = identities.iam(call.account_id).users[call.user_name]
        identities.boundaries[identities.unique_id(user)] = call.parameters["PermissionsBoundary"]


def with_boundary(call: Call, content: str) -> str:
    """The answer to GetUser, with the user's boundary."""
    user = identities.iam(call.account_id).users.get(call.user_name)
    boundary = identities.boundary_of(user) if user else ""
    if not boundary:
        return content
    shown = (
        "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>"
        f"<PermissionsBoundaryArn>{boundary}</PermissionsBoundaryArn></PermissionsBoundary>"
    )
    return content.replace("</User>", f"{shown}</User>")


def _put_user_permissions_boundary(call: Call) -> str:
    remember_boundary(call)
    return _answer(call, "")


def _list_service_specific_credentials(call: Call) -> str:
    return _answer(call, "<ServiceSpecificCredentials></ServiceSpecificCredentials>")


def _get_session_token(call: Call) -> str:
    """Its call needs no permission, and no policy can deny it."""
    seconds = float(call.parameters.get("DurationSeconds", SESSION_SECONDS))
    session = identities.create_user_session(call.caller, seconds)
    expiration = datetime.now(UTC) + timedelta(seconds=seconds)
    return _answer(
        call,
        f"<Credentials><AccessKeyId>{session.caller.access_key_id}</AccessKeyId>"
        f"<SecretAccessKey>{session.secret_access_key}</SecretAccessKey>"
        f"<SessionToken>{session.session_token}</SessionToken>"
        f"<Expiration>{expiration:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>",
    )


NAMESPACES = {
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}


def _answer(call: Call, content: str) -> str:
    name = call.operation
    return (
        f'<{name}Response xmlns="{NAMESPACES[call.service]}">'
        f"<{name}Result>{content}</{name}Result></{name}Response>"
    )


ANSWERS: dict[str, Callable[[Call], str]] = {
    "GetSessionToken": _get_session_token,
    "SimulatePrincipalPolicy": simulation.answer,
    "PutUserPermissionsBoundary": _put_user_permissions_boundary,
    "ListServiceSpecificCredentials": _list_service_specific_credentials,
}
