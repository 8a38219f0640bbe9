"""When access was ready and of what its customer was warned; ops may see what was sent."""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations, models


def let_ops_see_letters(apps: Apps, schema_editor: Any) -> None:
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="accounts", model="letter"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename="view_letter", defaults={"name": "Can view letter"}
    )
    apps.get_model("auth", "Group").objects.get(name="Ops").permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_letters_choices_and_time_zones"),
        ("provisioning", "0006_images"),
    ]

    operations = [
        migrations.AddField(
            model_name="entitlement",
            name="ready_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="entitlement",
            name="warned_days",
            field=models.PositiveSmallIntegerField(editable=False, null=True),
        ),
        migrations.RunPython(let_ops_see_letters, migrations.RunPython.noop),
    ]
