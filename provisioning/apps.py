from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "provisioning"

    def ready(self) -> None:
        from provisioning import tasks
        from provisioning.desired import schedule

        schedule.send_by(tasks.enqueue)
