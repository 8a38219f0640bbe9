"""What sales decide in the admin: in words, with a form, and by which flow."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator
from django.utils import timezone

from provisioning.flows.decide import approve, extend, reject, resume, suspend, withdraw
from provisioning.flows.suspend import resume_customer, suspend_customer
from provisioning.models import Entitlement
from provisioning.states import EntitlementState

# datetime ends with the year 9999, and a term with the day after its last.
LAST_DAY = date(9999, 12, 30)


class DeedForm(forms.Form):
    """What a decision asks for; ``deed`` is what its flow takes of that."""

    def deed(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


class ApproveForm(DeedForm):
    """The term, in whole days of the site's time zone, and a note."""

    first_day = forms.DateField(
        required=False,
        help_text="Empty: at once.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    last_day = forms.DateField(
        required=False,
        help_text="Empty: no end.",
        validators=[MaxValueValidator(LAST_DAY)],
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    note = forms.CharField(
        required=False, max_length=2000, help_text="The customer reads it.", widget=forms.Textarea
    )

    def deed(self) -> dict[str, Any]:
        first, last = self.cleaned_data["first_day"], self.cleaned_data["last_day"]
        return {
            "starts_at": _midnight(first) if first and first > timezone.localdate() else None,
            "ends_at": _midnight(last + timedelta(days=1)) if last else None,
            "note": self.cleaned_data["note"],
        }


class RejectForm(DeedForm):
    note = forms.CharField(
        max_length=2000, help_text="Why; the customer reads it.", widget=forms.Textarea
    )


class ReasonForm(DeedForm):
    reason = forms.CharField(
        max_length=2000, help_text="It stays in the audit log.", widget=forms.Textarea
    )


class ExtendForm(ReasonForm):
    last_day = forms.DateField(
        required=False,
        help_text="Empty: no end.",
        validators=[MaxValueValidator(LAST_DAY)],
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    field_order = ("last_day", "reason")

    def deed(self) -> dict[str, Any]:
        last = self.cleaned_data["last_day"]
        ends_at = _midnight(last + timedelta(days=1)) if last else None
        return {"ends_at": ends_at, "reason": self.cleaned_data["reason"]}


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


@dataclass(frozen=True)
class Decision:
    verb: str
    done: str
    explanation: str
    form: type["DeedForm"]
    flow: Callable[..., None]
    # In which states it is offered.
    states: frozenset[str]
    # Whether the customer is suspended where it is offered; None: either way.
    if_suspended: bool | None = None

    def is_possible(self, entitlement: Entitlement) -> bool:
        is_suspended = entitlement.customer.suspended_at is not None
        return entitlement.state in self.states and self.if_suspended in (None, is_suspended)


E = EntitlementState
RUNNING = frozenset({E.APPROVED, E.SUSPENDED})
REQUESTED, APPROVED, SUSPENDED = (frozenset({s}) for s in (E.REQUESTED, E.APPROVED, E.SUSPENDED))


def _of_customer(flow: Callable[..., None]) -> Callable[..., None]:
    return lambda entitlement, **deed: flow(entitlement.customer, **deed)


DECISIONS = {
    "approve": Decision(
        "Approve",
        "approved",
        "Opens the product's repositories to the customer. The customer then collects its "
        "credentials by itself; nobody here sees them.",
        ApproveForm,
        approve,
        REQUESTED,
    ),
    "reject": Decision("Reject", "rejected", "Nothing is opened.", RejectForm, reject, REQUESTED),
    "extend": Decision(
        "Change the term",
        "changed",
        "Access ends after the last day, whatever the end was before.",
        ExtendForm,
        extend,
        RUNNING,
    ),
    "suspend": Decision(
        "Suspend",
        "suspended",
        "Closes the product's repositories until access is resumed. The keys stay; they are "
        "switched off where nothing else needs them.",
        ReasonForm,
        suspend,
        APPROVED,
    ),
    "resume": Decision(
        "Resume", "resumed", "Opens them again, with the same keys.", ReasonForm, resume, SUSPENDED
    ),
    "withdraw": Decision(
        "Withdraw",
        "withdrawn",
        "Closes the product's repositories to the customer, and deletes its keys if nothing "
        "else is left to it.",
        ReasonForm,
        withdraw,
        RUNNING,
    ),
    "suspend-customer": Decision(
        "Suspend the customer",
        "suspended",
        "Closes everything to the customer and switches its keys off, until it is resumed.",
        ReasonForm,
        _of_customer(suspend_customer),
        RUNNING,
        if_suspended=False,
    ),
    "resume-customer": Decision(
        "Resume the customer",
        "resumed",
        "Opens again what the customer's entitlements give it, with the same keys.",
        ReasonForm,
        _of_customer(resume_customer),
        RUNNING,
        if_suspended=True,
    ),
}
