from typing import Any

from django.db import migrations, models
from django.db.models.functions import Now

import accounts.clock


def know_as_told(apps: Any, schema_editor: Any) -> None:
    ended = apps.get_model("provisioning", "Entitlement").objects.filter(ended_at__isnull=False)
    ended.update(end_told_at=models.F("ended_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("provisioning", "0019_hot_queries"),
    ]

    operations = [
        migrations.AddField(
            model_name="entitlement",
            name="end_told_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="onetimesecret",
            name="reminders",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="pulluser",
            name="policy_attempted",
            field=models.TextField(db_default="", default="", editable=False),
        ),
        migrations.AlterField(
            model_name="repository",
            name="statement_attempted",
            field=models.TextField(db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="pulluser",
            name="uses_read_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="pulluser",
            name="uses_due_at",
            field=models.DateTimeField(
                db_default=Now(), db_index=True, default=accounts.clock.now, editable=False
            ),
        ),
        # The emails about these were written when they ended.
        migrations.RunPython(know_as_told, migrations.RunPython.noop),
    ]
