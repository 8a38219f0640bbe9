"""The standard terms of the field: action instead of deed, email instead of letter, chain instead
of seals. Tables and columns are renamed; no row changes."""

from django.db import migrations, models

TRIGGERS = ("append_only", "not_emptied")


def rename_triggers(old, new):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            for trigger in TRIGGERS:
                schema_editor.execute(
                    f"ALTER TRIGGER {old}_{trigger} ON accounts_chainlink RENAME TO {new}_{trigger}"
                )

    return run


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_letters_choices_and_time_zones")]

    operations = [
        migrations.RenameField("auditevent", "deed", "action"),
        migrations.RenameModel("AuditSeal", "ChainLink"),
        migrations.RunPython(
            rename_triggers("accounts_auditseal", "accounts_chainlink"),
            rename_triggers("accounts_chainlink", "accounts_auditseal"),
        ),
        migrations.RemoveConstraint("letter", "letter_sent_is_not_due"),
        migrations.RenameModel("Letter", "Email"),
        migrations.RenameField("email", "made_at", "created_at"),
        migrations.AddConstraint(
            "email",
            models.CheckConstraint(
                condition=models.Q(sent_at__isnull=True) | models.Q(due_at__isnull=True),
                name="email_sent_is_not_due",
            ),
        ),
        migrations.RenameField("invitation", "made_at", "created_at"),
    ]
