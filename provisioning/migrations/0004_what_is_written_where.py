"""Until now every grant was written into its repository's policy; and what is settled is
now looked at again from time to time."""

from django.db import migrations
from django.db.models import Q
from django.utils import timezone


def carry_over(apps, schema_editor):
    grants = apps.get_model("provisioning", "Grant").objects
    grants.filter(Q(status="ready") | Q(wanted="absent") & ~Q(status="gone")).update(
        in_repository_policy=True
    )
    for name in ("PullUser", "Repository", "Registry"):
        rows = apps.get_model("provisioning", name).objects
        rows.filter(due_at__isnull=True).update(due_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0003_life_placement_and_findings")]
    operations = [migrations.RunPython(carry_over, migrations.RunPython.noop)]
