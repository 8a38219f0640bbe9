"""``manage.py rotate_vault_key``: encrypt everything under the first key of VAULT_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import mfa
from accounts.encryption import current_key_id
from provisioning import vault


class Command(BaseCommand):
    help = (
        "Encrypt every secret under the first key of VAULT_KEYS, so that the other keys can be "
        "removed. It may run while the portal is running, and more than once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        secrets, unreadable_secrets = vault.reencrypt()
        factors, unreadable_factors = mfa.reencrypt()
        done = (
            f"Encrypted again under vault key {current_key_id()!r}: {secrets} secret access keys "
            f"and {factors} second factors."
        )
        if unreadable_secrets or unreadable_factors:
            raise CommandError(
                f"{done} {unreadable_secrets} secret access keys and {unreadable_factors} second "
                "factors cannot be decrypted with the keys of VAULT_KEYS. Put the missing key back "
                "and run this again, or reissue those credentials and remove those second factors."
            )
        self.stdout.write(f"{done} Nothing is encrypted under the other keys of VAULT_KEYS.")
