"""The secrets of second factors are encrypted, like those in the vault, and bound to the person:
in another person's row they are of no use."""

import base64

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator

from accounts import encryption

# allauth does not say whose secret it encrypts or decrypts: the person's id stands before it.
BOUND_TO, SEPARATOR = "second factor", "\n"
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
        """For the signed-in person, who is the only one to set up a second factor."""
        request = context.request
        return _encrypt(text, request.user.pk if request else "")

    def decrypt(self, encrypted_text: str) -> str:
        return _decrypt(encrypted_text)[1]


def is_anothers(authenticator: Authenticator) -> bool:
    """Whether the secret in this row was encrypted for another person."""
    field = _field_of(authenticator)
    owner = _decrypt(authenticator.data[field])[0] if field else ""
    return owner not in ("", str(authenticator.user_id))


def _encrypt(text: str, owner: object) -> str:
    bound = f"{owner}{SEPARATOR}{text}"
    return base64.b64encode(encryption.encrypt(bound, bound_to=BOUND_TO)).decode()


def _decrypt(encrypted_text: str) -> tuple[str, str]:
    """The owner's id, empty in rows of earlier versions, and the secret."""
    text = encryption.decrypt(base64.b64decode(encrypted_text), bound_to=BOUND_TO)
    owner, _, secret = text.rpartition(SEPARATOR)
    return owner, secret


def _field_of(authenticator: Authenticator) -> str | None:
    return next((field for field in FIELDS if field in authenticator.data), None)


def reencrypt() -> tuple[int, int]:
    """Encrypt under the current key what another key encrypted. Returns how many were
    re-encrypted, and how many could not be decrypted."""
    reencrypted = unreadable = 0
    for row in Authenticator.objects.filter(type__in=["totp", "recovery_codes"]).iterator():
        field = _field_of(row)
        if field is None or encryption.is_under_current_key(base64.b64decode(row.data[field])):
            continue
        try:
            owner, secret = _decrypt(row.data[field])
            again = _encrypt(secret, owner or row.user_id)
        except encryption.DecryptionError:
            unreadable += 1
            continue
        # Only if the row is unchanged: a code used at this moment must stay used.
        unchanged = Authenticator.objects.filter(pk=row.pk, data=row.data)
        reencrypted += unchanged.update(data=row.data | {field: again})
    return reencrypted, unreadable
