"""The audit log as it is read: filtered, and as CSV."""

import csv
import re
from collections.abc import Iterator

from django import forms
from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse

from accounts.audit.models import Action, AuditEvent

COLUMNS = ("at", "who", "action", "subject", "changes", "customer", "reason", "address")
# What a spreadsheet takes for the start of a formula, also after spaces.
# Where the separator of lists is not the comma, these end a cell.
NEXT_CELL = re.compile(r"""([;\t|][\s"]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class TimelineForm(forms.Form):
    """Which lines to show. Days are in the reader's time zone; both are included."""

    q = forms.CharField(
        required=False, max_length=200, label="Search", help_text="Person, subject or customer."
    )
    action = forms.ChoiceField(required=False, choices=[("", "Any"), *Action.choices])
    first_day = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    customer = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )
    entitlement = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )

    def lines(self) -> QuerySet[AuditEvent]:
        """Newest first; none where the form is invalid."""
        lines = AuditEvent.objects.select_related("customer")
        if not self.is_valid():
            return lines.none()
        asked = self.cleaned_data
        conditions = {
            "action": asked["action"],
            "at__date__gte": asked["first_day"],
            "at__date__lte": asked["last_day"],
            "customer_id": asked["customer"],
            "entitlement_id": asked["entitlement"],
        }
        lines = lines.filter(**{name: value for name, value in conditions.items() if value})
        for word in asked["q"].split():
            lines = lines.filter(
                Q(actor_label__icontains=word)
                | Q(subject__icontains=word)
                | Q(customer__name__icontains=word)
            )
        return lines


def as_csv(lines: QuerySet[AuditEvent]) -> StreamingHttpResponse:
    """All lines as a file, streamed: the log may be larger than memory."""
    response = StreamingHttpResponse(_csv(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


class _Line:
    """A file for csv.writer that returns each line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def _csv(lines: QuerySet[AuditEvent]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for line in lines.select_related("customer").iterator(chunk_size=2000):
        cells = (
            line.at.isoformat(),
            line.actor_label,
            line.get_action_display(),
            line.subject,
            line.changes,
            str(line.customer or ""),
            line.reason,
            line.address or "",
        )
        yield writer.writerow([_harmless(cell) for cell in cells])


def _harmless(cell: str) -> str:
    """The text in a form that a spreadsheet shows and does not run."""
    is_formula = cell.lstrip().startswith(FORMULA) or cell.startswith(("\t", "\r", "\n"))
    inside = NEXT_CELL.sub(r"\1'", cell)
    return f"'{inside}" if is_formula else inside
