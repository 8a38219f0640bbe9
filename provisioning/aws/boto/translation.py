"""AWS's errors, by name, as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError

from provisioning.aws import errors
from provisioning.aws.boto.session import NO_IDENTITY


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise our error for whatever AWS or botocore says to ``operation``."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        raise errors.from_code(
            error.operation_name, told.get("Code", ""), told.get("Message", ""), status
        ) from None
    except NoCredentialsError:
        raise errors.Unauthorized(NO_IDENTITY) from None
    # A parser's error holds the whole answer in its text, a secret access key with it.
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
