"""The audit log as it is read: filtered, and as CSV."""

import csv
from collections.abc import Iterator

from django import forms
from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse

from accounts.audit import AuditEvent, Deed

COLUMNS = ("at", "who", "deed", "subject", "changes", "customer", "reason", "address")
# What a spreadsheet takes for the beginning of a formula, also after spaces.
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class TimelineForm(forms.Form):
    """Which lines; the days are those of the site's time zone, and both are included."""

    q = forms.CharField(
        required=False, max_length=200, label="Search", help_text="Person, subject or customer."
    )
    deed = forms.ChoiceField(required=False, choices=[("", "Any"), *Deed.choices])
    first_day = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    customer = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )
    entitlement = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )

    def lines(self) -> QuerySet[AuditEvent]:
        """The newest first; none where the form is not valid."""
        lines = AuditEvent.objects.select_related("customer")
        if not self.is_valid():
            return lines.none()
        wanted = self.cleaned_data
        conditions = {
            "deed": wanted["deed"],
            "at__date__gte": wanted["first_day"],
            "at__date__lte": wanted["last_day"],
            "customer_id": wanted["customer"],
            "entitlement_id": wanted["entitlement"],
        }
        lines = lines.filter(**{name: value for name, value in conditions.items() if value})
        for word in wanted["q"].split():
            lines = lines.filter(
                Q(actor_label__icontains=word)
                | Q(subject__icontains=word)
                | Q(customer__name__icontains=word)
            )
        return lines


def as_csv(lines: QuerySet[AuditEvent]) -> StreamingHttpResponse:
    """All lines as a file, sent as it is read: the log may be longer than memory."""
    response = StreamingHttpResponse(_csv(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


class _Line:
    """A file for csv.writer, whose writing is the line itself."""

    def write(self, line: str) -> str:
        return line


def _csv(lines: QuerySet[AuditEvent]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for line in lines.select_related("customer").iterator(chunk_size=2000):
        cells = (
            line.at.isoformat(),
            line.actor_label,
            line.get_deed_display(),
            line.subject,
            line.changes,
            str(line.customer or ""),
            line.reason,
            line.address or "",
        )
        yield writer.writerow([_harmless(cell) for cell in cells])


def _harmless(cell: str) -> str:
    """A text that a spreadsheet shows and does not run."""
    is_formula = cell.lstrip().startswith(FORMULA) or cell.startswith(("\t", "\r", "\n"))
    return f"'{cell}" if is_formula else cell
