"""Every address of the site."""

from collections.abc import Callable

import allauth.urls
from django.conf import settings
from django.contrib import admin
from django.http import HttpResponseBase
from django.urls import include, path
from django.views.generic import RedirectView

from portal.pages import health, invitation
from portal.pages.account import report_misuse, security
from portal.pages.customer.home import home
from portal.pages.customer.keys import end, rotate, switch
from portal.pages.customer.labels import labels
from portal.pages.customer.notifications import notifications
from portal.pages.customer.organisation import invitation_page, invite, leave, member_page, show
from portal.pages.customer.product.activity import activity
from portal.pages.customer.product.credentials import credentials
from portal.pages.customer.product.diagnosis import diagnosis
from portal.pages.customer.product.images import images
from portal.pages.customer.product.pull import download, pull, repository
from portal.pages.customer.request import request_product_page
from portal.pages.customer.reveal import reveal
from portal.pages.customer.sign_in_rules import rules
from portal.pages.customer.source_addresses import source_addresses
from portal.pages.demo_mail import demo_mail
from portal.pages.ops.audit import export, timeline
from portal.pages.ops.capacity import meters
from portal.pages.ops.dashboard import dashboard
from portal.pages.ops.drift import drift_detail, drift_list
from portal.pages.ops.emails import email_list, email_sample
from portal.pages.ops.hold import hold_page
from portal.pages.ops.keys import reissue, switch_key
from portal.pages.ops.retry import retry_pull_user, retry_registry, retry_repository
from portal.pages.ops.who_can_pull import who_can_pull
from portal.pages.profile import notifications as own_notifications
from portal.pages.profile import profile
from portal.pages.unsubscribe import unsubscribe
from portal.transactions import in_transactions

admin.autodiscover()


def moved_to(name: str) -> Callable[..., HttpResponseBase]:
    """The view of an old address, which people may have kept."""
    return RedirectView.as_view(pattern_name=name, permanent=True, query_string=True)


customer_urls = [
    path("", home, name="home"),
    path(
        "customers/<int:customer_pk>/request/<int:product_pk>/",
        request_product_page,
        name="request",
    ),
    path("customers/<int:pk>/", show, name="organisation"),
    path("customers/<int:pk>/invite/", invite, name="invite"),
    path("customers/<int:pk>/sign-in-rules/", rules, name="sign_in_rules"),
    path(
        "customers/<int:pk>/source-addresses/",
        source_addresses,
        name="source_addresses",
    ),
    path("customers/<int:pk>/labels/", labels, name="labels"),
    path("customers/<int:pk>/notifications/", notifications, name="notifications"),
    path("customers/<int:pk>/letters/", moved_to("customer:notifications")),
    path("customers/<int:pk>/leave/", leave, name="leave"),
    path("members/<int:pk>/", member_page, name="member"),
    path("invitations/<int:pk>/", invitation_page, name="invitation"),
    path("access/<int:pk>/", pull, name="product"),
    path("access/<int:pk>/files/<str:name>", download, name="download"),
    path("access/<int:pk>/images/", images, name="images"),
    path("access/<int:pk>/credentials/", credentials, name="credentials"),
    path("access/<int:pk>/diagnosis/", diagnosis, name="diagnosis"),
    path("access/<int:pk>/activity/", activity, name="activity"),
    path("access/<int:pk>/repositories/<int:repository_pk>/", repository, name="repository"),
    path("access/<int:pk>/trouble/", moved_to("customer:diagnosis")),
    path("credentials/<int:pk>/reveal/", reveal, name="reveal"),
    path("credentials/<int:pk>/rotate/", rotate, name="rotate"),
    path("keys/<int:pk>/switch/", switch, name="switch_key"),
    path("keys/<int:pk>/end/", end, name="end_key"),
]
ops_urls = [
    path("", dashboard, name="dashboard"),
    path("drift/", drift_list, name="drift_list"),
    path("drift/<int:pk>/", drift_detail, name="drift_detail"),
    path("findings/", moved_to("ops:drift_list")),
    path("findings/<int:pk>/", moved_to("ops:drift_detail")),
    path("hold/", hold_page, name="hold"),
    path("capacity/", meters, name="capacity"),
    path("keys/<int:pk>/switch/", switch_key, name="switch_key"),
    path("registries/<int:pk>/retry/", retry_registry, name="retry_registry"),
    path("repositories/<int:pk>/who-can-pull/", who_can_pull, name="who_can_pull"),
    path("repositories/<int:pk>/pullers/", moved_to("ops:who_can_pull")),
    path("emails/", email_list, name="emails"),
    path("emails/<slug:slug>/", email_sample, name="email_sample"),
    path("audit/", timeline, name="audit"),
    path("audit.csv", export, name="audit_csv"),
    path("pull-users/<int:pk>/reissue/", reissue, name="reissue"),
    path("pull-users/<int:pk>/retry/", retry_pull_user, name="retry_pull_user"),
    path("repositories/<int:pk>/retry/", retry_repository, name="retry_repository"),
]

urlpatterns = [
    path("", include((customer_urls, "customer"))),
    path("ops/", include((ops_urls, "ops"))),
    path("account/security/", security, name="security"),
    path("account/profile/", profile, name="profile"),
    path("account/notifications/", own_notifications, name="account_notifications"),
    path("account/unsubscribe/<str:token>/", unsubscribe, name="unsubscribe"),
    path("account/security/misuse/", report_misuse, name="report_misuse"),
    path("account/sessions/", moved_to("security")),
    # Beside allauth's links: the proxy keeps addresses with tokens out of its log.
    path("account/invitation/<str:token>/", invitation.follow, name="invitation_link"),
    path("account/invitation/", invitation.accept, name="accept_invitation"),
    path("account/", include(in_transactions(allauth.urls.urlpatterns))),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
]
if settings.DEMO:
    urlpatterns.append(path("demo/mail/", demo_mail, name="demo_mail"))
