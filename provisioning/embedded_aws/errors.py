"""Error responses, with the codes and texts of AWS."""

from dataclasses import dataclass


@dataclass
class ApiError(Exception):
    """An error response. ``status`` is the HTTP status."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def denied(service: str, caller: str, action: str, resource: str, reason: str) -> ApiError:
    """IAM and STS deny with 403, ECR with 400 (their API references, "Common errors").
    ``reason``: as in "Troubleshoot access denied error messages", IAM user guide."""
    message = f"User: {caller} is not authorized to perform: {action} on resource: {resource}"
    message += f" {reason}"
    if service == "ecr":
        return ApiError(400, "AccessDeniedException", message)
    return ApiError(403, "AccessDenied", message)


def unknown_token(service: str) -> ApiError:
    message = "The security token included in the request is invalid."
    if service == "ecr":
        return ApiError(400, "UnrecognizedClientException", message)
    return ApiError(403, "InvalidClientTokenId", message)


def bad_signature(service: str) -> ApiError:
    message = (
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details."
    )
    if service == "ecr":
        return ApiError(400, "InvalidSignatureException", message)
    return ApiError(403, "SignatureDoesNotMatch", message)


def skewed_signature(service: str, signed_at: str, now: str, minutes: int) -> ApiError:
    """``minutes``: below zero for a signature from the past, above for one from the future."""
    when = "Signature expired" if minutes < 0 else "Signature not yet current"
    than = "now earlier" if minutes < 0 else "still later"
    message = f"{when}: {signed_at} is {than} than {now} ({now} {minutes:+d} min.)"
    if service == "ecr":
        return ApiError(400, "InvalidSignatureException", message)
    return ApiError(403, "SignatureDoesNotMatch", message)


def bad_policy_text(constraint: str) -> ApiError:
    return ApiError(
        400,
        "InvalidParameterException",
        f"Invalid parameter at 'PolicyText' failed to satisfy constraint: '{constraint}'",
    )


def incomplete_signature(service: str, part: str) -> ApiError:
    message = f"'{part}' not a valid key=value pair (missing equal-sign) in Authorization header."
    if service == "ecr":
        return ApiError(400, "IncompleteSignatureException", message)
    return ApiError(403, "IncompleteSignature", message)
