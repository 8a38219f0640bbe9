"""AWS's errors, in two families: a TemporaryError passes by itself and is retried; a
PermanentError stays until a person acts. Their text is for people.

Sources of the codes: the API references of IAM, STS and ECR ("Common errors" and each
operation's "Errors").
"""

import re

from accounts.masking import masked


class AwsError(Exception):
    """AWS did not do what was requested. The text is stored and shown: secrets in what AWS says
    are masked. ``operation`` is AWS's name of the call, where a call failed; ``is_repeated``:
    botocore had sent it before, and had no answer, or one that let it try again."""

    operation = ""
    is_repeated = False

    def __init__(self, text: str = "") -> None:
        super().__init__(masked(text))


class TemporaryError(AwsError):
    """It will pass: try again later."""


class PermanentError(AwsError):
    """It will not pass by itself; the text names the remedy and who can apply it."""


class Unauthorized(PermanentError):
    """AWS refuses the portal's role or credentials: nothing else in the registry will work until
    that is corrected."""


class Denied(PermanentError):
    """AWS denies the portal this one call, on this one resource. ``by`` names the kind of policy
    whose Deny stands against it; it is empty where only a permission is missing."""

    by = ""

    @property
    def is_by_resource(self) -> bool:
        """Whether the policy of the repository, or of its registry, denies it."""
        return self.by == "a resource-based policy"


class SessionExpired(TemporaryError):
    """The role's session has expired early."""


class KeyNotAccepted(TemporaryError):
    """AWS does not accept a customer's access key, or not yet."""


class NotFound(AwsError):
    """The IAM entity does not exist, or is not visible yet."""


class AlreadyThere(AwsError):
    """An entity of that name exists."""


class PrincipalNotFound(TemporaryError):
    """A repository policy names a user that ECR does not know, or not yet."""


class Unreachable(TemporaryError):
    """AWS could not be reached, or its answer was lost: the call may have taken effect."""


class Throttled(TemporaryError):
    """Too many calls."""


class ServerFault(TemporaryError):
    """AWS had an internal error: the call may have taken effect."""


class Busy(TemporaryError):
    """Another writer is changing the same entity."""


class RepositoryNotFound(PermanentError):
    """The repository is not in the registry."""


class PolicyNotFound(AwsError):
    """The repository, or the registry, has no policy."""


class LimitExceeded(PermanentError):
    """A quota of the account is used up."""


class DeleteConflict(TemporaryError):
    """Something still depends on what should be deleted."""


def may_have_happened(error: AwsError) -> bool:
    """Whether the call that failed may have taken effect all the same, or one before it."""
    return error.is_repeated or isinstance(error, Unreachable | ServerFault)


_BY_CODE: dict[str, tuple[type[AwsError], str]] = {
    "NoSuchEntity": (NotFound, "It does not exist."),
    "EntityAlreadyExists": (AlreadyThere, "It exists."),
    "RepositoryPolicyNotFoundException": (PolicyNotFound, "The repository has no policy."),
    "RegistryPolicyNotFoundException": (PolicyNotFound, "The registry has no policy."),
    "RepositoryNotFoundException": (
        RepositoryNotFound,
        (
            "The repository does not exist in this registry. Create it in ECR, or correct its name "
            "in the admin."
        ),
    ),
    "LimitExceeded": (
        LimitExceeded,
        "A quota of the AWS account is used up. The account's owner can free capacity.",
    ),
    "ConcurrentModification": (Busy, "Another request is changing the same entity."),
    "EntityTemporarilyUnmodifiable": (Busy, "AWS is still processing an earlier change."),
    "DeleteConflict": (DeleteConflict, "Something still depends on it."),
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
        (Throttled, "AWS is throttling the portal's calls."),
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
        (ServerFault, "AWS had an internal error."),
    ),
    **dict.fromkeys(
        ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"],
        (
            Denied,
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
                "The portal's session with AWS has expired. If it does not renew itself, the "
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
        [
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidSignatureException",
            "RequestExpired",
            "SignatureDoesNotMatch",
        ],
        (
            Unauthorized,
            (
                "AWS refuses the portal's signature: its credentials or this machine's clock are "
                "wrong. The portal's operator can correct them."
            ),
        ),
    ),
}


# "Troubleshoot access denied error messages", IAM user guide.
DENY = re.compile(r"with an explicit deny in (an? [\w -]*?policy|a permissions boundary)")
DENIED_BY = (
    "A Deny in {} stands against it: no permission helps. The vendor's AWS administrator can "
    "exempt the portal's role from that Deny."
)


def from_code(operation: str, code: str, message: str, status: int = 400) -> AwsError:
    """The error for an answer of AWS, with AWS's own text after ours."""
    family: type[AwsError]
    # The older text is used both for a user that ECR does not know and for a malformed document;
    # ours is always well-formed.
    is_principal = operation == "SetRepositoryPolicy" and "Invalid repository policy" in message
    if is_principal or "Principal not found" in message:
        family, words = PrincipalNotFound, "ECR does not know the user yet."
    elif code in _BY_CODE:
        family, words = _BY_CODE[code]
    elif status >= 500:
        family, words = ServerFault, "AWS had an internal error."
    else:
        family, words = PermanentError, "AWS refused, for a reason the portal does not know."
    deny = DENY.search(message) if family is Denied else None
    if deny:
        words = DENIED_BY.format(deny[1])
    elif family is Denied and operation == "AssumeRole":
        family = Unauthorized
    error = family(f"{words} (AWS on {operation}: {code}: {message})")
    error.operation = operation
    if isinstance(error, Denied) and deny:
        error.by = deny[1]
    return error
