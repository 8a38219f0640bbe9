"""Entitlements in the admin: sales read them there, and decide through the flows."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.timesince import timesince

from accounts.actor import actor
from accounts.audit.admin import KeysFromAddress, audit_link, see_audit_log
from accounts.permissions import DECIDE
from provisioning import queries
from provisioning.admin.decisions import DECISIONS, Decision
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.entitlements import prepare
from provisioning.models import Entitlement, Installation
from provisioning.states import EntitlementState

# More at once would not fit into an address, and nobody would check them.
DECIDE_AT_ONCE = 200
PK_DIGITS = 18  # More may exceed what the database can hold.


@admin.register(Entitlement)
class EntitlementAdmin(KeysFromAddress):
    list_display = ["customer", "product", "state", "reference", "age", "starts_at", "ends_at"]
    list_filter = ["state", "product"]
    list_select_related = ["customer", "product"]
    search_fields = ["customer__name", "customer__slug", "product__name", "reference"]
    search_help_text = "Customer, product or reference"
    autocomplete_fields = ["customer", "product"]
    date_hierarchy = "requested_at"

    @admin.display(description="waiting for")
    def age(self, entitlement: Entitlement) -> str:
        if entitlement.state != EntitlementState.REQUESTED:
            return ""
        return timesince(entitlement.requested_at, depth=1)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = kwargs.get("obj")
        if obj is not None and self.has_decide_permission(request):
            context["decisions"] = [
                (decision.verb, decision_url(name, [obj.pk]))
                for name, decision in DECISIONS.items()
                if decision.is_possible(obj)
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    # Rows change only through the flows, and none is ever deleted.

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Entitlement | None = None) -> Any:
        if obj is None:
            return ["customer", "product", "reference", "note"]
        return super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Entitlement | None = None) -> Any:
        return ["as_its_customer_reads_it", *see_audit_log(request)] if obj else []

    @admin.display
    def as_its_customer_reads_it(self, entitlement: Entitlement) -> str:
        loaded = queries.entitlements(Entitlement.objects.filter(pk=entitlement.pk)).get()
        state = queries.progress(loaded).state
        return f"{state.label}. {state.words}."

    @admin.display(description="audit log")
    def audit_log(self, entitlement: Entitlement) -> str:
        return audit_link("entitlement_id__exact", entitlement.pk)

    def save_model(self, request: HttpRequest, obj: Entitlement, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        prepare(obj, by=actor(request))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Also the page of a row may be posted as a new one.
        try:
            return super().changeform_view(request, *args, **kwargs)
        except (NotAllowed, Refused) as error:
            messages.error(request, str(error))
            return redirect(request.get_full_path())

    # --- Deciding ------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        name = "provisioning_entitlement_decide"
        return [path("decide/<slug:decision>/", decide, name=name), *super().get_urls()]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(DECIDE)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Each decision, for many at once."""
        actions: dict[str, Any] = super().get_actions(request)
        if self.has_decide_permission(request):
            for name, decision in DECISIONS.items():
                action = partial(_to_decision, decision=name)
                actions[f"{name}_selected"] = (action, f"{name}_selected", f"{decision.verb}…")
        return actions

    def decide(self, request: HttpRequest, decision: str) -> HttpResponse:
        """The page that decides about the entitlements of ``?pk=…&pk=…``, one or many."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if decision not in DECISIONS:
            raise Http404
        chosen = DECISIONS[decision]
        asked = request.GET.getlist("pk")[:DECIDE_AT_ONCE]
        pks = [pk for pk in asked if pk.isdecimal() and len(pk) <= PK_DIGITS]
        rows = Entitlement.objects.select_related("customer", "product").filter(pk__in=pks)
        form = chosen.form(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._carry_out(request, chosen, rows, form.arguments())
            return redirect("admin:provisioning_entitlement_changelist")
        context = self.admin_site.each_context(request) | {
            "title": chosen.verb,
            "opts": self.opts,
            "decision": chosen,
            "entitlements": rows.prefetch_related("product__repositories"),
            "form": form,
        }
        return render(request, "admin/provisioning/entitlement/decide.html", context)

    def _carry_out(
        self,
        request: HttpRequest,
        decision: Decision,
        rows: QuerySet[Entitlement],
        arguments: dict[str, Any],
    ) -> None:
        """Each on its own: one that is refused does not hold up the others."""
        done = 0
        for entitlement in rows:
            try:
                decision.flow(entitlement, by=actor(request), **arguments)
                done += 1
            except (NotAllowed, Refused) as error:
                messages.error(request, str(error))
        if done:
            messages.success(request, f"{done} {decision.done}.")
        if done and Installation.get().held_at:
            messages.warning(
                request,
                "The portal is held by ops: what this takes away is taken away now, and what it "
                "gives is given when the hold ends.",
            )


def _to_decision(
    model_admin: EntitlementAdmin,
    request: HttpRequest,
    rows: QuerySet[Entitlement],
    *,
    decision: str,
) -> HttpResponse | None:
    pks = list(rows.values_list("pk", flat=True)[: DECIDE_AT_ONCE + 1])
    if len(pks) > DECIDE_AT_ONCE:
        messages.error(request, f"Choose at most {DECIDE_AT_ONCE}.")
        return None
    return redirect(decision_url(decision, pks))


def decision_url(decision: str, pks: list[int]) -> str:
    address = reverse("admin:provisioning_entitlement_decide", args=[decision])
    return f"{address}?{urlencode({'pk': pks}, doseq=True)}"
