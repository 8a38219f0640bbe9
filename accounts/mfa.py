"""The secrets of second factors are encrypted, like those in the vault."""

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator

from accounts import encryption

# allauth does not say whose secret it encrypts, so all are bound to their kind alone.
BOUND_TO = "second factor"
# Where allauth keeps them in an authenticator's data: of TOTP, and of recovery codes.
FIELDS = ("secret", "seed")


class MfaAdapter(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "add_email_blocked": "Turn off two-factor authentication before you add an address.",
        "cannot_delete_authenticator": "This second factor cannot be removed.",
        "cannot_generate_recovery_codes": "Set up an app or a key first.",
        "incorrect_code": "This code is wrong or no longer valid.",
        "unverified_email": "Verify your email address first.",
    }

    def encrypt(self, text: str) -> str:
        return base64.b64encode(encryption.encrypt(text, bound_to=BOUND_TO)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(base64.b64decode(encrypted_text), bound_to=BOUND_TO)


def reencrypt() -> tuple[int, int]:
    """Encrypt under the current key what another key encrypted. Returns how many were
    re-encrypted, and how many could not be decrypted."""
    reencrypted = unreadable = 0
    adapter = MfaAdapter()
    for row in Authenticator.objects.filter(type__in=["totp", "recovery_codes"]).iterator():
        field = next((field for field in FIELDS if field in row.data), None)
        if field is None or encryption.is_under_current_key(base64.b64decode(row.data[field])):
            continue
        try:
            again = adapter.encrypt(adapter.decrypt(row.data[field]))
        except encryption.DecryptionError:
            unreadable += 1
            continue
        # Only if the row is unchanged: a code used at this moment must stay used.
        unchanged = Authenticator.objects.filter(pk=row.pk, data=row.data)
        reencrypted += unchanged.update(data=row.data | {field: again})
    return reencrypted, unreadable
