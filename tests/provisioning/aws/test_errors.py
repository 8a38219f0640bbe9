"""What AWS says is stored and shown: no secret is in it."""

from provisioning.aws import errors

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def test_text_of_an_error_holds_no_secret() -> None:
    for kind in (errors.AwsError, errors.PermanentError, errors.Throttled):
        text = str(kind(f"Invalid header value {SECRET} for AKIA"))
        assert SECRET not in text
        assert text == "Invalid header value [masked] for AKIA"
