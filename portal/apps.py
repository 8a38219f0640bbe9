from django.apps import AppConfig
from django.contrib.admin import apps as admin


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from portal import checks  # noqa: F401 - registers the checks


class PortalAdminConfig(admin.AdminConfig):
    default = False
    default_site = "portal.admin_site.PortalAdminSite"
