"""The decisions of sales in the admin: their words, forms and flows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator
from django.utils import timezone

from provisioning.flows.customers import resume_customer, suspend_customer
from provisioning.flows.entitlements import approve, extend, reject, resume, suspend, withdraw
from provisioning.models import Entitlement
from provisioning.states import EntitlementState

# datetime ends with the year 9999, and a term ends at midnight after its last day.
LAST_DAY = date(9999, 12, 30)


class DecisionForm(forms.Form):
    """What a decision asks for; ``arguments`` is what its flow takes of that."""

    def arguments(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


class ApproveForm(DecisionForm):
    """The term, in whole days of the reader's time zone, and a note."""

    first_day = forms.DateField(
        required=False,
        help_text="If empty: at once.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    last_day = forms.DateField(
        required=False,
        help_text="If empty: no end.",
        validators=[MaxValueValidator(LAST_DAY)],
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    note = forms.CharField(
        required=False,
        max_length=2000,
        help_text="The customer can read it.",
        widget=forms.Textarea,
    )

    def arguments(self) -> dict[str, Any]:
        first, last = self.cleaned_data["first_day"], self.cleaned_data["last_day"]
        return {
            "starts_at": _midnight(first) if first and first > timezone.localdate() else None,
            "ends_at": _midnight(last + timedelta(days=1)) if last else None,
            "note": self.cleaned_data["note"],
        }


class RejectForm(DecisionForm):
    note = forms.CharField(
        max_length=2000, help_text="Why. The customer can read it.", widget=forms.Textarea
    )


class ReasonForm(DecisionForm):
    reason = forms.CharField(
        max_length=2000, help_text="It is kept in the audit log.", widget=forms.Textarea
    )


class ExtendForm(ReasonForm):
    last_day = forms.DateField(
        required=False,
        help_text="If empty: no end.",
        validators=[MaxValueValidator(LAST_DAY)],
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    field_order = ("last_day", "reason")

    def arguments(self) -> dict[str, Any]:
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
    form: type["DecisionForm"]
    flow: Callable[..., None]
    # The states in which it is offered.
    states: frozenset[str]
    # Whether it is offered for suspended customers only, or for others only; None: for both.
    if_suspended: bool | None = None

    def is_possible(self, entitlement: Entitlement) -> bool:
        is_suspended = entitlement.customer.suspended_at is not None
        return entitlement.state in self.states and self.if_suspended in (None, is_suspended)


E = EntitlementState
RUNNING = frozenset({E.APPROVED, E.SUSPENDED})
REQUESTED, APPROVED, SUSPENDED = (frozenset({s}) for s in (E.REQUESTED, E.APPROVED, E.SUSPENDED))


def _of_customer(flow: Callable[..., None]) -> Callable[..., None]:
    return lambda entitlement, **arguments: flow(entitlement.customer, **arguments)


DECISIONS = {
    "approve": Decision(
        "Approve",
        "approved",
        "Opens the product's repositories to the customer, who then reveals the credentials. "
        "Nobody here sees them.",
        ApproveForm,
        approve,
        REQUESTED,
    ),
    "reject": Decision("Reject", "rejected", "Nothing is opened.", RejectForm, reject, REQUESTED),
    "extend": Decision(
        "Change the term",
        "changed",
        "Access ends after the last day. This replaces the present end.",
        ExtendForm,
        extend,
        RUNNING,
    ),
    "suspend": Decision(
        "Suspend",
        "suspended",
        "Closes the product's repositories until access is resumed. The keys are kept; they are "
        "deactivated where nothing else needs them.",
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
        "Closes the product's repositories to the customer, and deletes its keys if it has no "
        "other product.",
        ReasonForm,
        withdraw,
        RUNNING,
    ),
    "suspend-customer": Decision(
        "Suspend the customer",
        "suspended",
        "Closes everything to the customer and deactivates its keys, until it is resumed.",
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
