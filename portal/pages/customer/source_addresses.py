"""From where an organisation's machines pull."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from accounts.models import Customer
from portal.pages.guards import recent_login_required
from portal.pages.perform import perform
from provisioning.flows.source_addresses import limit_sources

Network = IPv4Network | IPv6Network
# Networks that no packet on the internet comes from.
PRIVATE = [
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        *("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"),
    )
]


class SourceAddressesForm(forms.Form):
    networks = forms.CharField(
        required=False,
        max_length=2000,
        label="Addresses and networks",
        help_text="One on each line, as the internet sees your machines: 203.0.113.7 or "
        "203.0.113.0/24. Leave it empty to pull from anywhere.",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
    )

    def clean_networks(self) -> list[Network]:
        return [_network(line) for line in self.cleaned_data["networks"].split()]


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise forms.ValidationError(
            f"{text} is no address and no network. A network starts at its first address: "
            "203.0.113.0/24."
        ) from None
    if any(network.version == private.version and network.overlaps(private) for private in PRIVATE):
        raise forms.ValidationError(
            f"{text} is private: AWS sees the public address that your machines leave by."
        )
    return network


@recent_login_required
@require_http_methods(["GET", "POST"])
def source_addresses(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(Customer.objects.for_user(current_user(request)), pk=pk)
    initial = {"networks": "\n".join(sorted(customer.sources))}
    posted = request.POST if request.method == "POST" else None
    form = SourceAddressesForm(posted, initial=initial)
    if form.is_valid():
        networks = form.cleaned_data["networks"]
        is_done = perform(
            request,
            lambda: limit_sources(customer, networks, by=actor(request)),
            done="The source addresses are changed. AWS applies them within a minute.",
            form=form,
        )
        if is_done:
            return redirect("customer:organisation", customer.pk)
    return render(request, "customer/source_addresses.html", {"customer": customer, "form": form})
