"""Registries, repositories and products in the admin; every change is audited."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from accounts.audit.admin import AuditedAdmin
from provisioning.desired import grants
from provisioning.models import Grant, Product, Registry, Repository

# Regions of other partitions: their ARNs and host names differ from those that the portal writes.
OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")


@admin.register(Product)
class ProductAdmin(AuditedAdmin):
    list_display = ["name", "is_listed"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    filter_horizontal = ["repositories"]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_related(request, form, formsets, change)
        grants.product_changed(form.instance)


class RegistryForm(forms.ModelForm):
    def clean_region(self) -> str:
        region: str = self.cleaned_data["region"]
        if region.startswith(OTHER_PARTITIONS):
            raise forms.ValidationError(
                "The portal works only in AWS's commercial regions; this one belongs to another "
                "partition. Choose a region like eu-central-1."
            )
        return region

    def clean_endpoint_url(self) -> str:
        address: str = self.cleaned_data["endpoint_url"]
        if address and not settings.EMBEDDED:
            raise forms.ValidationError("Leave it empty: it is for the demo, whose AWS is its own.")
        return address


@admin.register(Registry)
class RegistryAdmin(AuditedAdmin):
    form = RegistryForm
    list_display = ["name", "account_id", "region"]
    search_fields = ["name", "account_id"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}

    def get_readonly_fields(self, request: HttpRequest, obj: Registry | None = None) -> list[str]:
        # With another account or region, the portal would lose track of what it created in AWS.
        is_used = obj and Grant.objects.filter(repository__registry=obj).exists()
        return ["account_id", "region"] if is_used else []


@admin.register(Repository)
class RepositoryAdmin(AuditedAdmin):
    list_display = ["name", "registry", "placement", "policy_length", "attention"]
    list_filter = ["registry"]
    list_select_related = ["registry"]
    search_fields = ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Repository | None = None) -> list[str]:
        is_used = obj and obj.grants.exists()
        return ["registry", "name", "uri", "attention"] if is_used else ["uri", "attention"]

    def save_model(self, request: HttpRequest, obj: Repository, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_model(request, obj, form, change)
        if "placement" in form.changed_data and obj.placement:
            grants.placement_changed(obj)
