"""Translates AWS's errors into ours, by name."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from provisioning.aws import errors
from provisioning.aws.boto.session import NO_IDENTITY


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise our error for whatever AWS or botocore raises for ``operation``."""
    try:
        yield
    except ClientError as error:
        details = error.response["Error"]
        answer = error.response.get("ResponseMetadata", {})
        ours = errors.from_code(
            error.operation_name,
            details.get("Code", ""),
            details.get("Message", ""),
            answer.get("HTTPStatusCode", 400),
        )
        ours.is_repeated = answer.get("RetryAttempts", 0) > 0
        raise ours from None
    except NoCredentialsError:
        raise errors.Unauthorized(NO_IDENTITY) from None
    except ParamValidationError as error:
        # botocore itself has refused it, before anything was sent.
        raise errors.PermanentError(
            "What is entered in the registry's form cannot be sent to AWS. The portal's "
            f"administrator can correct it. ({operation}: {error})"
        ) from None
    # The text of a parser error holds the whole answer, including a secret access key.
    except (BotoCoreError, ResponseParserError) as error:
        raise errors.Unreachable(
            f"AWS could not be reached. ({operation}: {type(error).__name__})"
        ) from None


@contextmanager
def gone_is_done() -> Iterator[None]:
    try:
        yield
    except errors.NotFound:
        pass
