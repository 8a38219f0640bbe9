"""Nobody makes herself a proof of identity out of an old session."""

import pytest
from django.test import Client

from provisioning.demo.cast import Cast


@pytest.mark.parametrize("address", ["password/set/", "email/", "2fa/totp/activate/"])
def test_person_without_a_password_signs_in_again_before_she_gets_one(
    cast: Cast, address: str
) -> None:
    cast.alice.set_unusable_password()
    cast.alice.save()
    client = Client()
    client.force_login(cast.alice, "allauth.account.auth_backends.AuthenticationBackend")
    answer = client.get(f"/account/{address}")
    assert answer.status_code == 302
    assert "/account/login/" in answer["Location"]
