"""The site's addresses, a page that shows every element, and pages that fail: for the tests of
the site's appearance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django import forms
from django.core.exceptions import SuspiciousOperation
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from portal.urls import urlpatterns as site
from provisioning.instructions import PullTarget
from provisioning.queries import ProgressStep

PAGE = Path(__file__).with_name("style_sheet.html")


class ExampleForm(forms.Form):
    reference = forms.CharField(help_text="As on your order.", max_length=20)
    term = forms.ChoiceField(choices=[("1", "One year"), ("2", "Two years")])
    key = forms.ChoiceField(
        choices=[("a", "AKIAEXAMPLE1"), ("b", "AKIA2")], widget=forms.RadioSelect
    )
    agreed = forms.BooleanField(label="I have read the terms")
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), required=False)


def style_sheet(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string(PAGE.read_text())
    return HttpResponse(template.render(_examples(), request))


def _examples() -> dict[str, Any]:
    moment = datetime.now(UTC) - timedelta(hours=2)
    uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/acme/measurement-server"
    place = PullTarget(profile="acme-software", region="eu-central-1", uri=uri, version="4.2.0")
    return {
        "at": moment,
        "uri": uri,
        "states": ["waiting", "working", "ready", "attention", "ended"],
        "kinds": ["info", "success", "warning", "error"],
        "steps": [
            ProgressStep("Requested", "done", at=moment),
            ProgressStep("Approved", "done", "Welcome aboard.", moment),
            ProgressStep("Pull user created", "working"),
            ProgressStep(
                "Repository acme/api opened", "attention", "Reported.", moment, "Not found."
            ),
            ProgressStep("Access key created", "waiting"),
        ],
        "command": place.login("docker login", place.profile_options),
        "page": Paginator(range(60), 20).page(2),
        "form": ExampleForm(),
        "failed_form": ExampleForm({"reference": "x" * 30}, prefix="failed"),
    }


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("as the test wants it")


def reject(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("as the test wants it")


urlpatterns = [
    path("style-sheet/", style_sheet),
    path("fail/", fail),
    path("reject/", reject),
    *site,
]
