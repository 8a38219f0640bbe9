"""The tab “Pull”: one bar of choices, and one block of commands that follows it."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseClientRefresh

from portal.pages.customer.product.choices import Choices, by_name
from portal.pages.customer.product.frame import entitlement_of, frame
from provisioning import instructions, queries


@login_required
@require_GET
def pull(request: HttpRequest, pk: int) -> HttpResponse:
    entitlement = entitlement_of(request, pk)
    if request.htmx.target == "progress":  # type: ignore[attr-defined]
        progress = queries.progress(entitlement)
        context = {"entitlement": entitlement, "progress": progress}
        response = render(request, "customer/product/_progress.html", context)
        # At the end the rest of the page has changed as well.
        return response if progress.asks_again else HttpResponseClientRefresh()
    choices = Choices(entitlement, request.GET)
    script = instructions.script(choices.tool) if choices.tool else ""
    place = f"{reverse('customer:product', args=[pk])}?{choices.address}"
    context = frame(request, entitlement, "pull") | {
        "choices": choices,
        "script": script,
        "address": request.build_absolute_uri(place),
    }
    return render(request, "customer/product/pull.html", context)


@login_required
@require_GET
def download(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """One of the files of the chosen instruction, or all its steps as a script. It holds no
    secret: where one belongs, it says so."""
    choices = Choices(entitlement_of(request, pk), request.GET)
    if choices.tool is None:
        raise Http404
    files = {block.file_name: block.text for block in choices.tool.blocks if block.file}
    files["pull.sh"] = instructions.script(choices.tool)
    if not files.get(name):
        raise Http404
    response = HttpResponse(files[name], content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@login_required
@require_GET
def repository(request: HttpRequest, pk: int, repository_pk: int) -> HttpResponse:
    """The address that a repository of a product had before its choice was part of the address."""
    opened = by_name(queries.open_repositories(entitlement_of(request, pk)))
    names = [name for name, row in opened.items() if row.pk == repository_pk]
    if not names:
        raise Http404
    place = reverse("customer:product", args=[pk])
    return redirect(f"{place}?{urlencode({'repository': names[0]})}", permanent=True)
