"""What an authenticator app shows."""

import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value


def app_code(secret: str, *, periods_later: int = 0) -> str:
    """The code that is shown now, or half a minute later."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + periods_later))
