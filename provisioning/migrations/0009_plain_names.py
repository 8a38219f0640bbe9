"""The standard terms of the field: desired instead of wanted, drift instead of finding, encrypted
and destroyed instead of sealed and burned. Tables and columns are renamed; rows are converted where
the name of a row becomes a foreign key, and where the database computes a status by itself."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Case, Q, Value, When
from django.utils import timezone

import provisioning.models.drift
import provisioning.models.step_attempt

KINDS = {"Registry": "registry", "Repository": "repository", "PullUser": "pull_user"}
STEPS = {"try_access_key": "verify_access_key"}


def check_now(schema_editor):
    """PostgreSQL alters no table while checks of its foreign keys are deferred."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        schema_editor.execute("SET CONSTRAINTS ALL DEFERRED")


def row_of(apps, name):
    """The field that leads to a row named like ``PullUser 7``, and its id; None where it is gone."""
    kind, _, pk = name.partition(" ")
    exists = apps.get_model("provisioning", kind).objects.filter(pk=int(pk)).exists()
    return (f"{KINDS[kind]}_id", int(pk)) if exists else None


def name_of(row, prefix=""):
    for kind, field in KINDS.items():
        pk = getattr(row, f"{prefix}{field}_id")
        if pk is not None:
            return f"{kind} {pk}"
    return ""


def drift_to_rows(apps, schema_editor):
    for drift in apps.get_model("provisioning", "Drift").objects.iterator():
        found = row_of(apps, drift.row)
        if found is None:
            drift.delete()
            continue
        for field in KINDS.values():
            setattr(drift, f"{field}_id", None)
        setattr(drift, *found)
        drift.save()
    check_now(schema_editor)


def rows_to_drift(apps, schema_editor):
    for drift in apps.get_model("provisioning", "Drift").objects.iterator():
        drift.row = name_of(drift)
        drift.save()
    check_now(schema_editor)


def pauses_to_rows(apps, schema_editor):
    registries = apps.get_model("provisioning", "Registry").objects.exclude(paused_by="")
    for registry in registries.iterator():
        found = row_of(apps, registry.paused_by)
        if found is None:
            registry.paused_because = ""
        else:
            registry.paused_at = timezone.now()
            setattr(registry, f"paused_by_{found[0]}", found[1])
        registry.save()
    check_now(schema_editor)


def rows_to_pauses(apps, schema_editor):
    registries = apps.get_model("provisioning", "Registry").objects
    for registry in registries.filter(paused_at__isnull=False).iterator():
        registry.paused_by = name_of(registry, "paused_by_")
        registry.save()
    check_now(schema_editor)


def rename_steps(apps, schema_editor):
    for old, new in STEPS.items():
        apps.get_model("provisioning", "StepAttempt").objects.filter(step=old).update(step=new)
    check_now(schema_editor)


def restore_steps(apps, schema_editor):
    attempts = apps.get_model("provisioning", "StepAttempt").objects
    # Those of registries were not recorded before.
    attempts.filter(registry__isnull=False).delete()
    for old, new in STEPS.items():
        attempts.filter(step=new).update(step=old)
    check_now(schema_editor)


def restore_grant_status(apps, schema_editor):
    """What the reconciler used to write."""
    grants = apps.get_model("provisioning", "Grant").objects
    nowhere = {"in_repository_policy": False, "in_user_policy": False}
    grants.exclude(**nowhere).update(status="ready")
    grants.filter(wanted="present", **nowhere).update(status="waiting")
    grants.filter(wanted="absent", **nowhere).update(status="gone")
    check_now(schema_editor)


def is_of(row):
    return Q(**{f"{name}__isnull": name != row for name in KINDS.values()})


def nullable(to):
    return models.ForeignKey(
        to, django.db.models.deletion.SET_NULL, null=True, editable=False, related_name="+"
    )


nothing = migrations.RunPython.noop


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0008_queued_at")]

    operations = [
        # --- Desired -----------------------------------------------------------------
        migrations.RunPython(nothing, restore_grant_status),
        migrations.RemoveConstraint("accesskey", "access_key_one_is_current"),
        migrations.RemoveField("grant", "status"),
        migrations.RenameField("pulluser", "wanted", "desired"),
        migrations.RenameField("accesskey", "wanted", "desired"),
        migrations.RenameField("grant", "wanted", "desired"),
        migrations.AddConstraint(
            "accesskey",
            models.UniqueConstraint(
                fields=["pull_user"],
                condition=~Q(desired="Deleted") & Q(retires_at__isnull=True),
                name="access_key_one_is_current",
            ),
        ),
        migrations.AddField(
            "grant",
            "status",
            models.GeneratedField(
                expression=Case(
                    When(
                        Q(in_repository_policy=True) | Q(in_user_policy=True), then=Value("ready")
                    ),
                    When(desired="present", then=Value("waiting")),
                    default=Value("gone"),
                ),
                output_field=models.CharField(max_length=10),
                db_persist=True,
            ),
        ),
        # --- Secrets -----------------------------------------------------------------
        migrations.RemoveConstraint("onetimesecret", "secret_is_sealed_or_revealed_or_burned"),
        migrations.RenameField("onetimesecret", "sealed", "ciphertext"),
        migrations.RenameField("onetimesecret", "burned_at", "destroyed_at"),
        migrations.RenameField("onetimesecret", "made_at", "created_at"),
        migrations.AddConstraint(
            "onetimesecret",
            models.CheckConstraint(
                condition=Q(
                    ciphertext__isnull=False,
                    revealed_at__isnull=True,
                    revealed_by__isnull=True,
                    destroyed_at__isnull=True,
                )
                | Q(
                    ciphertext__isnull=True,
                    revealed_at__isnull=False,
                    revealed_by__isnull=False,
                    destroyed_at__isnull=True,
                )
                | Q(
                    ciphertext__isnull=True,
                    revealed_at__isnull=True,
                    revealed_by__isnull=True,
                    destroyed_at__isnull=False,
                ),
                name="secret_is_encrypted_or_revealed_or_destroyed",
            ),
        ),
        # --- Drift -------------------------------------------------------------------
        migrations.RemoveConstraint("finding", "finding_open_once"),
        migrations.RenameModel("Finding", "Drift"),
        migrations.AlterField("drift", "row", models.CharField(max_length=60, default="")),
        migrations.RunPython(drift_to_rows, rows_to_drift),
        migrations.RemoveField("drift", "row"),
        migrations.AlterModelOptions(
            "drift", {"ordering": ["-first_seen_at", "-pk"], "verbose_name_plural": "drift"}
        ),
        migrations.AlterField(
            "drift",
            "kind",
            models.CharField(max_length=30, choices=provisioning.models.drift.kind_choices),
        ),
        migrations.AlterField(
            "drift",
            "ending",
            models.CharField(
                blank=True,
                choices=[
                    ("repaired", "Repaired by the portal"),
                    ("adopted", "Left as it is, by choice"),
                    ("vanished", "No longer there"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            "drift",
            models.CheckConstraint(
                condition=is_of("registry") | is_of("repository") | is_of("pull_user"),
                name="drift_is_of_one_row",
            ),
        ),
        *(
            migrations.AddConstraint(
                "drift",
                models.UniqueConstraint(
                    fields=["kind", "subject", row],
                    condition=Q(ended_at__isnull=True),
                    name=f"drift_of_{row}_open_once",
                ),
            )
            for row in KINDS.values()
        ),
        # --- Pauses ------------------------------------------------------------------
        migrations.AddField(
            "registry", "paused_at", models.DateTimeField(null=True, editable=False)
        ),
        migrations.AddField("registry", "paused_by_registry", nullable("self")),
        migrations.AddField(
            "registry", "paused_by_repository", nullable("provisioning.repository")
        ),
        migrations.AddField("registry", "paused_by_pull_user", nullable("provisioning.pulluser")),
        migrations.RunPython(pauses_to_rows, rows_to_pauses),
        migrations.RemoveField("registry", "paused_by"),
        # --- Attempts ----------------------------------------------------------------
        migrations.RemoveConstraint("stepattempt", "step_attempt_is_of_one_row"),
        migrations.AddField(
            "stepattempt",
            "registry",
            models.ForeignKey(
                "provisioning.registry",
                django.db.models.deletion.CASCADE,
                null=True,
                related_name="attempts",
            ),
        ),
        migrations.AddConstraint(
            "stepattempt",
            models.CheckConstraint(
                condition=is_of("registry") | is_of("repository") | is_of("pull_user"),
                name="step_attempt_is_of_one_row",
            ),
        ),
        migrations.AlterField(
            "stepattempt",
            "step",
            models.CharField(max_length=40, choices=provisioning.models.step_attempt.step_choices),
        ),
        migrations.RunPython(rename_steps, restore_steps),
        # --- Rates are kept in Redis -------------------------------------------------
        migrations.DeleteModel("Pace"),
    ]
