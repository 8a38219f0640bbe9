"""The audit log in the admin: changes made there are recorded, and the log can be read."""

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import NestedObjects
from django.db import models, router
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator

from accounts.actor import actor
from accounts.audit.log import Action, label_of, record
from accounts.audit.timeline import as_csv
from accounts.models import AuditEvent, Customer, User

SUBJECT_LENGTH: int = AuditEvent._meta.get_field("subject").max_length  # type: ignore[assignment]
# How much of a changed text is recorded.
VALUE_LENGTH = 200
# A primary key has fewer.
KEY_DIGITS = 19

# It deletes outside a transaction.
admin.site.disable_action("delete_selected")


class KeysFromAddress(admin.ModelAdmin):
    """Fills a new row's form from the address, without keys that are none."""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial = super().get_changeform_initial_data(request)
        relations = {field.name for field in self.model._meta.fields if field.is_relation}
        return {
            name: value
            for name, value in initial.items()
            if name not in relations or _is_key(str(value))
        }


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < KEY_DIGITS


class AuditedAdmin(KeysFromAddress):
    """Rows of which every change is an action. Django calls ``log_*`` in the transaction of the
    change; its own history of a row holds the same words as the audit log."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        if not change:
            super().save_model(request, obj, form, change)
            return
        # Other columns may have been written by others in the meantime.
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in columns])

    def construct_change_message(  # type: ignore[override]
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        add: bool = False,  # noqa: FBT001, FBT002 - Django's signature
    ) -> str:
        lines = [
            *_changes(form),
            *(line for rows in formsets or () for line in _changed_rows(rows)),
        ]
        return "; ".join(lines)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        _record(Action.ADDED, obj, message, request)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        if message:
            _record(Action.CHANGED, obj, message, request)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset:
            _record(Action.DELETED, row, "; ".join(_deleted_with(row)), request)
        return super().log_deletions(request, queryset)


def _record(action: Action, row: models.Model, changes: str, request: HttpRequest) -> None:
    subject = label_of(row) if isinstance(row, User) else str(row)
    is_customer = isinstance(row, Customer) and action != Action.DELETED
    record(
        action,
        Truncator(f"{row._meta.verbose_name} {subject}").chars(SUBJECT_LENGTH),
        by=actor(request),
        customer=row if is_customer else None,  # type: ignore[arg-type]
        changes=changes,
    )


# --- Changes in words --------------------------------------------------------------


def _changes(form: Any) -> Iterator[str]:
    for name in form.changed_data:
        field = form.fields[name]
        before = _shown(field, form.initial.get(name, field.initial))
        after = _shown(field, form.cleaned_data.get(name))
        yield f"{field.label}: {before} → {after}" if before else f"{field.label}: {after}"


def _changed_rows(rows: Any) -> Iterator[str]:
    """The changes of an inline's rows."""
    kind = rows.model._meta.verbose_name
    for form in rows.initial_forms:
        if form in rows.deleted_forms:
            yield f"{kind} {form.instance} deleted"
        elif form.has_changed():
            yield f"{kind} {form.instance} changed ({', '.join(_changes(form))})"
    for form in rows.extra_forms:
        if form.has_changed() and form not in rows.deleted_forms:
            yield f"{kind} {form.instance} added"


def _shown(field: forms.Field, value: Any) -> str:
    """A value of the field in words; empty for none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return ""
    if isinstance(field, forms.ModelMultipleChoiceField):
        return ", ".join(sorted(str(row) for row in value)) or "none"
    if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
        row = value if isinstance(value, models.Model) else field.queryset.filter(pk=value).first()
        return str(row)
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(value, value))  # type: ignore[arg-type]
    return Truncator(str(value)).chars(VALUE_LENGTH)


def _deleted_with(row: models.Model) -> Iterable[str]:
    """What is deleted together with the row."""
    collector = NestedObjects(using=router.db_for_write(type(row)), origin=row)
    collector.collect([row])
    return [
        f"{other._meta.verbose_name} {other} deleted"
        for others in collector.model_objs.values()
        for other in others
        if other != row
    ]


# --- The log -------------------------------------------------------------------------


def see_audit_log(request: HttpRequest) -> list[str]:
    """The field that links to a row's lines, for people who may read them."""
    return ["audit_log"] if request.user.has_perm("accounts.view_auditevent") else []


def audit_link(field: str, pk: int) -> str:
    address = reverse("admin:accounts_auditevent_changelist")
    return format_html('<a href="{}?{}={}">Show its actions</a>', address, field, pk)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that are read in the admin, and neither added, changed nor deleted there."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "actor_label", "action", "subject", "changes", "customer", "reason"]
    list_filter = ["action", "at"]
    search_fields = ["actor_label", "subject", "customer__name"]
    list_select_related = ["customer"]
    date_hierarchy = "at"
    actions = ["export"]

    @admin.action(description="Save as CSV")
    def export(self, request: HttpRequest, lines: QuerySet[AuditEvent]) -> StreamingHttpResponse:
        return as_csv(lines)
