"""Forms that more than one page shows."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.formats import date_format
from django.utils.timezone import localtime

from accounts.models import EmailKind
from provisioning.flows.credentials import OVERLAP, keys_to_choose_from
from provisioning.models import AccessKey, PullUser


class OverlapForm(forms.Form):
    """How long the old key works on, and which key is deleted when there are two already."""

    overlap = forms.TypedChoiceField(
        label="The old key",
        coerce=lambda days: timedelta(days=int(days)),
    )

    def __init__(self, *args: Any, pull_user: PullUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["overlap"].choices = [  # type: ignore[attr-defined]
            (OVERLAP.days, f"works for {OVERLAP.days} more days, until {_day(OVERLAP)}"),
            (1, f"works for one more day, until {_day(timedelta(days=1))}"),
            (0, "stops now: it has leaked"),
        ]
        keys = keys_to_choose_from(pull_user)
        if keys:
            self.fields["key_to_delete"] = forms.ChoiceField(
                label="AWS allows two keys. Which one should be deleted now?",
                choices=[(str(key), f"{key}, {_use(key)}") for key in keys],
                widget=forms.RadioSelect,
            )


def _day(after: timedelta) -> str:
    return date_format(localtime() + after, "j F Y")


def _use(key: AccessKey) -> str:
    return f"last used {naturaltime(key.last_used_at)}" if key.last_used_at else "not used yet"


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="It is kept in the audit log.")


class NotificationsForm(forms.Form):
    """What is ticked is sent. ``fields``: name → label and the kinds of emails; ``on``: those that
    are sent at present."""

    def __init__(
        self, data: Any, *, fields: dict[str, tuple[str, list[EmailKind]]], on: list[EmailKind]
    ) -> None:
        super().__init__(data, initial={name: [str(kind) for kind in on] for name in fields})
        for name, (label, kinds) in fields.items():
            if kinds:
                self.fields[name] = forms.MultipleChoiceField(
                    label=label,
                    required=False,
                    widget=forms.CheckboxSelectMultiple,
                    choices=[(str(kind), kind.label) for kind in kinds],
                )

    @property
    def chosen(self) -> set[str]:
        return {kind for kinds in self.cleaned_data.values() for kind in kinds}


class UnansweredTextarea(forms.Textarea):
    """Never shows what was typed: a pasted text may contain a secret."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class ErrorTextForm(forms.Form):
    error_text = forms.CharField(
        label="Error message",
        help_text="Paste the error that your client shows. It is compared with known errors and "
        "not stored. Leave out keys and tokens.",
        widget=UnansweredTextarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )
