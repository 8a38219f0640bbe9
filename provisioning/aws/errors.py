"""What AWS refuses, in two families: a TemporaryError passes by itself and is tried
again; a PermanentError stays until a person acts. Their text is for people.

Sources of the codes: the API references of IAM, STS and ECR ("Common errors" and each
operation's "Errors").
"""


class AwsError(Exception):
    """AWS did not do what was asked."""


class TemporaryError(AwsError):
    """It will pass: try again later."""


class PermanentError(AwsError):
    """It will not pass by itself; the text names who can mend it, and how."""


class Unauthorized(PermanentError):
    """AWS refuses the portal's role or credentials: nothing else of the registry will go
    better until somebody mends that."""


class SessionExpired(TemporaryError):
    """The session of the role has run out before its time."""


class KeyNotAccepted(TemporaryError):
    """AWS does not accept a customer's access key, or not yet."""


class NotFound(AwsError):
    """The IAM thing is not there, or not yet to be seen."""


class AlreadyThere(AwsError):
    """A thing of that name exists."""


class PrincipalNotFound(TemporaryError):
    """A repository policy names a user that ECR does not know, or not yet."""


class Unreachable(TemporaryError):
    """AWS could not be reached, or its answer was lost: the deed may have happened."""


class Throttled(TemporaryError):
    """Too many calls."""


class ServerFault(TemporaryError):
    """AWS failed by itself: the deed may have happened."""


class Busy(TemporaryError):
    """Another writer is at the same thing."""


class RepositoryNotFound(PermanentError):
    """The repository is not in the registry."""


class PolicyNotFound(AwsError):
    """The repository has no policy."""


class LimitExceeded(PermanentError):
    """A quota of the account is used up."""


class DeleteConflict(TemporaryError):
    """Something still hangs on what should be deleted."""


_BY_CODE: dict[str, tuple[type[AwsError], str]] = {
    "NoSuchEntity": (NotFound, "It is not there."),
    "EntityAlreadyExists": (AlreadyThere, "It exists."),
    "RepositoryPolicyNotFoundException": (PolicyNotFound, "The repository has no policy."),
    "RepositoryNotFoundException": (
        RepositoryNotFound,
        (
            "The repository does not exist in this registry. Create it in ECR, or correct its name "
            "in the admin."
        ),
    ),
    "LimitExceeded": (
        LimitExceeded,
        "A quota of the AWS account is used up. The account's owner can make room.",
    ),
    "ConcurrentModification": (Busy, "Something else is changing the same thing."),
    "EntityTemporarilyUnmodifiable": (Busy, "AWS is still at work on the same thing."),
    "DeleteConflict": (DeleteConflict, "Something still hangs on it."),
    **dict.fromkeys(
        [
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
        ],
        (Throttled, "AWS asks for fewer calls."),
    ),
    **dict.fromkeys(
        [
            "ServiceFailure",
            "ServerException",
            "InternalFailure",
            "InternalError",
            "ServiceUnavailable",
            "RequestTimeout",
            "RequestTimeoutException",
        ],
        (ServerFault, "AWS had a fault of its own."),
    ),
    **dict.fromkeys(
        ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"],
        (
            Unauthorized,
            (
                "The portal's role is not allowed to do this. The vendor's AWS administrator can "
                "add the permission (docs/aws-role.md)."
            ),
        ),
    ),
    **dict.fromkeys(
        ["ExpiredToken", "ExpiredTokenException"],
        (
            SessionExpired,
            (
                "The portal's session with AWS has run out. Where it does not renew itself, the "
                "portal's operator can give the portal new credentials."
            ),
        ),
    ),
    **dict.fromkeys(
        ["InvalidClientTokenId", "UnrecognizedClientException"],
        (
            Unauthorized,
            (
                "AWS does not know the portal's own credentials. The portal's operator can correct "
                "them."
            ),
        ),
    ),
    **dict.fromkeys(
        ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired"],
        (
            Unauthorized,
            (
                "AWS refuses the portal's signature: its credentials are wrong, or this machine's "
                "clock is. The portal's operator can correct them."
            ),
        ),
    ),
}


def from_code(operation: str, code: str, message: str, status: int = 400) -> AwsError:
    """The error that stands for an answer of AWS, with AWS's own words after ours."""
    family: type[AwsError]
    # The older text says it of a user that ECR does not know, and of a document that is no
    # policy; ours always is one.
    is_principal = operation == "SetRepositoryPolicy" and "Invalid repository policy" in message
    if is_principal or "Principal not found" in message:
        family, words = PrincipalNotFound, "ECR does not know the user yet."
    elif code in _BY_CODE:
        family, words = _BY_CODE[code]
    elif status >= 500:
        family, words = ServerFault, "AWS had a fault of its own."
    else:
        family, words = PermanentError, "AWS refused, in a way the portal does not know."
    return family(f"{words} (AWS to {operation}: {code}: {message})")
