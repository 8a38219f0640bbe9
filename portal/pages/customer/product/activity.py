"""The tab “Activity”: what was asked, decided and done about a product, in sentences."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.audit.models import Action, AuditEvent
from portal.pages.customer.product.frame import entitlement_of, frame

PER_PAGE = 25
# Credentials serve all products of a customer.
OF_CREDENTIALS = [
    Action.REVEALED,
    Action.REISSUED,
    Action.ROTATED,
    Action.DEACTIVATED,
    Action.ACTIVATED,
    Action.ENDED_KEY,
    Action.LABELLED,
    Action.UNLABELLED,
]


@login_required
@require_GET
def activity(request: HttpRequest, pk: int) -> HttpResponse:
    entitlement = entitlement_of(request, pk)
    of_product = Q(entitlement_id=pk) | Q(action__in=OF_CREDENTIALS)
    rows = AuditEvent.objects.filter(of_product, customer=entitlement.customer_id)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = frame(request, entitlement, "activity") | {"page": page}
    return render(request, "customer/product/activity.html", context)
