from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0015_locks_of_memberships")]

    operations = [migrations.RemoveField(model_name="user", name="reveals_locked_at")]
