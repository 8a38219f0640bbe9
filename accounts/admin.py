"""People and organisations in the admin, every change audited; the audit log, to read."""

from typing import Any

from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa import admin as allauth_mfa_admin  # noqa: F401 - registers what is taken away
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import reverse
from django.utils.html import format_html

from accounts.audited import AuditedAdmin
from accounts.models import AuditEvent, Customer, Membership, User
from accounts.timeline import as_csv

# What people sign in with is theirs alone: a superuser could else read it, and plant it.
admin.site.unregister([Authenticator, EmailAddress, Group])


class MembershipForm(forms.ModelForm):
    """The person of a membership stays: another is another's membership."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "user" in self.fields:
            user = self.instance.user
            self.fields["user"].disabled = True
            # The one choice that there is: the widget for many would ask the database, row by row.
            self.fields["user"].widget = forms.Select(choices=[(user.pk, str(user))])


class MembershipInline(admin.TabularInline):
    model = Membership
    form = MembershipForm
    extra = 0
    autocomplete_fields = ["user"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "customer")


@admin.register(Customer)
class CustomerAdmin(AuditedAdmin):
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    inlines = [MembershipInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> list[str]:
        # The slug is the user's name in AWS: it stays once the customer exists.
        return ["slug", *see_audit_log(request)] if obj else []

    @admin.display(description="audit log")
    def audit_log(self, customer: Customer) -> str:
        return audit_link("customer__id__exact", customer.pk)


@admin.register(User)
class UserAdmin(AuditedAdmin):
    list_display = ["email", "name", "is_staff", "is_active", "last_login"]
    search_fields = ["email", "name"]
    list_filter = ["is_staff", "is_active"]
    fields = ["email", "name", "is_active", "is_staff", "groups", "date_joined", "last_login"]
    readonly_fields = ["date_joined", "last_login"]
    filter_horizontal = ["groups"]


@admin.register(Group)
class AuditedGroupAdmin(AuditedAdmin, GroupAdmin):
    """Groups as Django has them."""


@admin.register(EmailAddress)
class AuditedEmailAddressAdmin(AuditedAdmin, EmailAddressAdmin):
    # allauth's action leaves no line.
    actions: list[Any] = []


def see_audit_log(request: HttpRequest) -> list[str]:
    """The field that leads to a row's lines, for who may read them."""
    return ["audit_log"] if request.user.has_perm("accounts.view_auditevent") else []


def audit_link(field: str, pk: int) -> str:
    address = reverse("admin:accounts_auditevent_changelist")
    return format_html('<a href="{}?{}={}">What was done</a>', address, field, pk)


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):
    list_display = ["at", "actor_label", "deed", "subject", "changes", "customer", "reason"]
    list_filter = ["deed", "at"]
    search_fields = ["actor_label", "subject", "customer__name"]
    list_select_related = ["customer"]
    date_hierarchy = "at"
    actions = ["export"]

    @admin.action(description="Save as CSV")
    def export(self, request: HttpRequest, lines: QuerySet[AuditEvent]) -> StreamingHttpResponse:
        return as_csv(lines)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False
