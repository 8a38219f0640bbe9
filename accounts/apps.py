from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import account_events, deactivation

        account_events.connect()
        deactivation.connect()
