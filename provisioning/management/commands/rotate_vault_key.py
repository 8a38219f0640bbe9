"""``manage.py rotate_vault_key``: seal everything under the first key of VAULT_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import second_factor
from accounts.sealing import first_key_id
from provisioning import vault


class Command(BaseCommand):
    help = (
        "Seal every secret under the first key of VAULT_KEYS, so that the others can be removed. "
        "It may run while the portal works, and more than once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        secrets, lost_secrets = vault.reseal()
        factors, lost_factors = second_factor.reseal()
        told = (
            f"Sealed anew under vault key {first_key_id()!r}: {secrets} secret access keys and "
            f"{factors} second factors."
        )
        if lost_secrets or lost_factors:
            raise CommandError(
                f"{told} {lost_secrets} secret access keys and {lost_factors} second factors "
                "cannot be opened with the keys of VAULT_KEYS. Put the missing key back and run "
                "this again, or reissue those credentials and remove those second factors."
            )
        self.stdout.write(f"{told} The other keys of VAULT_KEYS seal nothing any more.")
