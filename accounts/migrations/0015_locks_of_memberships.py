from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def lock_memberships(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Who is locked is locked at each of their customers."""
    user = models.OuterRef("user")
    users = apps.get_model("accounts", "User").objects.filter(pk=user)
    memberships = apps.get_model("accounts", "Membership").objects
    memberships.filter(user__reveals_locked_at__isnull=False).update(
        reveals_locked_at=models.Subquery(users.values("reveals_locked_at"))
    )


def lock_users(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Who is locked anywhere is locked."""
    memberships = apps.get_model("accounts", "Membership").objects
    locked = memberships.filter(reveals_locked_at__isnull=False, user=models.OuterRef("pk"))
    users = apps.get_model("accounts", "User").objects
    users.filter(memberships__reveals_locked_at__isnull=False).update(
        reveals_locked_at=models.Subquery(
            locked.order_by("reveals_locked_at").values("reveals_locked_at")[:1]
        )
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_identities")]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="reveals_locked_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RunPython(lock_memberships, lock_users),
    ]
