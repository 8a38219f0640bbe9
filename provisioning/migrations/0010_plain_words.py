"""Labels and help texts in plain words; permissions of the models that were renamed keep their
holders. Django names permissions after models, and renames neither."""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

RENAMED = [
    ("accounts", "letter", "email"),
    ("accounts", "auditseal", "chainlink"),
    ("provisioning", "finding", "drift"),
]


def rename_permissions(apps, schema_editor):
    for app_label, old, new in RENAMED:
        move_permissions(apps, app_label, old, new)


def restore_permissions(apps, schema_editor):
    for app_label, old, new in RENAMED:
        move_permissions(apps, app_label, new, old)


def move_permissions(apps, app_label, old, new):
    types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    target, _ = types.get_or_create(app_label=app_label, model=new)
    for permission in permissions.filter(
        content_type__app_label=app_label, codename__endswith=f"_{old}"
    ):
        action = permission.codename.removesuffix(f"_{old}")
        moved, _ = permissions.get_or_create(
            content_type=target,
            codename=f"{action}_{new}",
            defaults={"name": f"Can {action} {new}"},
        )
        moved.group_set.add(*permission.group_set.all())
        moved.user_set.add(*permission.user_set.all())
        permission.delete()
    types.filter(app_label=app_label, model=old).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_plain_words"),
        ("provisioning", "0009_plain_names"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(rename_permissions, restore_permissions),
        migrations.AlterField(
            model_name="label",
            name="name",
            field=models.CharField(
                max_length=20,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[a-z0-9]+(-[a-z0-9]+)*$", "Use lower-case letters, digits and hyphens."
                    )
                ],
            ),
        ),
        migrations.AlterField(
            model_name="product",
            name="is_listed",
            field=models.BooleanField(
                default=True, help_text="Customers can see this product and request it."
            ),
        ),
        migrations.AlterField(
            model_name="registry",
            name="boundary_arn",
            field=models.CharField(
                blank=True,
                help_text="The policy that limits what any pull user can do, whatever else it is given (docs/aws-role.md). Without it, grants are written into repository policies only.",
                max_length=200,
                validators=[
                    django.core.validators.RegexValidator(
                        "^arn:aws:iam::\\d{12}:policy/[\\w+=,.@/-]+$",
                        "A policy's ARN, like arn:aws:iam::123456789012:policy/ecr-portal-boundary.",
                    )
                ],
                verbose_name="permissions boundary",
            ),
        ),
        migrations.AlterField(
            model_name="registry",
            name="endpoint_url",
            field=models.URLField(
                blank=True,
                help_text="Only where AWS has an address of its own, as in the demo.",
                verbose_name="endpoint address",
            ),
        ),
        migrations.AlterField(
            model_name="registry",
            name="paused_by_registry",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="provisioning.registry",
            ),
        ),
        migrations.AlterField(
            model_name="registry",
            name="role_arn",
            field=models.CharField(
                blank=True,
                help_text="The role that the portal assumes in this account. If empty, the portal's own identity must belong to this account.",
                max_length=200,
                validators=[
                    django.core.validators.RegexValidator(
                        "^arn:aws:iam::\\d{12}:role/[\\w+=,.@/-]+$",
                        "A role's ARN, like arn:aws:iam::123456789012:role/ecr-portal.",
                    )
                ],
                verbose_name="role ARN",
            ),
        ),
        migrations.AlterField(
            model_name="repository",
            name="name",
            field=models.CharField(
                max_length=256,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[a-z0-9]+([._/-]+[a-z0-9]+)*$",
                        "A repository's name in ECR, like acme/server.",
                    )
                ],
            ),
        ),
        migrations.AlterField(
            model_name="repository",
            name="uri",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="As ECR reports it; the portal asks on its first turn.",
                max_length=400,
                verbose_name="URI",
            ),
        ),
        migrations.AlterField(
            model_name="stepattempt",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("running", "Running"),
                    ("done", "Done"),
                    ("temporary", "Failed, will be retried"),
                    ("permanent", "Failed, needs attention"),
                    ("interrupted", "Interrupted"),
                ],
                default="running",
                max_length=12,
            ),
        ),
        migrations.AlterConstraint(
            model_name="entitlement",
            name="entitlement_open_once",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["requested", "approved", "suspended"])),
                fields=("customer", "product"),
                name="entitlement_open_once",
                violation_error_message="The customer already has or has requested this product.",
            ),
        ),
    ]
