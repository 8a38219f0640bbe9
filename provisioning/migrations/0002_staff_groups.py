"""The vendor's groups: sales decide in the admin, ops run the dashboard."""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations

GROUPS = {
    "Sales": {
        "entitlement": ["decide_entitlement", "view_entitlement", "add_entitlement"],
        "product": ["view_product"],
        "repository": ["view_repository"],
        "customer": ["view_customer", "add_customer", "change_customer"],
        # Who can make members can have a secret shown: that is not for sales.
        "membership": ["view_membership"],
    },
    "Ops": {
        "entitlement": ["operate", "view_entitlement"],
        "product": ["view_product"],
        "repository": ["view_repository"],
        "registry": ["view_registry"],
        "pulluser": ["view_pulluser"],
        "stepattempt": ["view_stepattempt"],
        "customer": ["view_customer"],
        "auditevent": ["view_auditevent"],
    },
}
NAMES = {
    "decide_entitlement": "Can approve, reject and withdraw",
    "operate": "Can run the operations dashboard",
}
ACCOUNTS_MODELS = {"customer", "membership", "auditevent"}


def make_groups(apps: Apps, schema_editor: Any) -> None:
    group_model = apps.get_model("auth", "Group")
    for name, permissions in GROUPS.items():
        group, _ = group_model.objects.get_or_create(name=name)
        for model, codenames in permissions.items():
            for codename in codenames:
                group.permissions.add(permission(apps, model, codename))


def permission(apps: Apps, model: str, codename: str) -> Any:
    """The permission; Django itself makes them only after all migrations have run."""
    app_label = "accounts" if model in ACCOUNTS_MODELS else "provisioning"
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=app_label, model=model
    )
    deed = codename.split("_")[0]
    verbose = apps.get_model(app_label, model)._meta.verbose_name
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type,
        codename=codename,
        defaults={"name": NAMES.get(codename, f"Can {deed} {verbose}")},
    )
    return found


def remove_groups(apps: Apps, schema_editor: Any) -> None:
    apps.get_model("auth", "Group").objects.filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("provisioning", "0001_initial"),
        ("accounts", "0002_audit_log_is_append_only"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_groups, remove_groups)]
