from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0018_joined_as"),
    ]

    operations = [
        # The column keeps its name: what runs while the migration does still reads it.
        migrations.AlterField(
            model_name="membership",
            name="muted",
            field=models.JSONField(db_column="muted", default=list, editable=False),
        ),
        migrations.RenameField(model_name="membership", old_name="muted", new_name="switched"),
        migrations.AddField(
            model_name="user",
            name="switched",
            field=models.JSONField(db_default=[], default=list, editable=False),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                fields=["id"], condition=models.Q(("is_staff", True)), name="user_staff"
            ),
        ),
    ]
