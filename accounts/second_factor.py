"""The secrets of second factors are sealed, as those of the vault are."""

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator

from accounts import sealing

# allauth does not say whose secret it seals: they are bound to their kind alone.
BOUND_TO = "second factor"
# Where allauth keeps them in an authenticator's data: of TOTP, and of recovery codes.
PLACES = ("secret", "seed")


class SecondFactorAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return base64.b64encode(sealing.seal(text, bound_to=BOUND_TO)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return sealing.unseal(base64.b64decode(encrypted_text), bound_to=BOUND_TO)


def reseal() -> tuple[int, int]:
    """Seal under the first key what another sealed. Returns how many, and how many more
    cannot be opened."""
    resealed = unopened = 0
    adapter = SecondFactorAdapter()
    for row in Authenticator.objects.filter(type__in=["totp", "recovery_codes"]).iterator():
        place = next((place for place in PLACES if place in row.data), None)
        if place is None or sealing.is_under_the_first_key(base64.b64decode(row.data[place])):
            continue
        try:
            again = adapter.encrypt(adapter.decrypt(row.data[place]))
        except sealing.SealError:
            unopened += 1
            continue
        # A code that is used up at this moment is not brought back.
        unchanged = Authenticator.objects.filter(pk=row.pk, data=row.data)
        resealed += unchanged.update(data=row.data | {place: again})
    return resealed, unopened
