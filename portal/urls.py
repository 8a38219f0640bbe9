"""Every address of the site."""

from allauth.account import views as account_views
from allauth.account.decorators import secure_admin_login
from allauth.mfa.totp import views as totp_views
from allauth.mfa.webauthn import views as webauthn_views
from allauth.socialaccount import views as social_views
from allauth.socialaccount.providers.openid_connect import views as oidc_views
from django.contrib import admin
from django.urls import include, path

from portal.pages import (
    audit,
    aws_state,
    customer,
    health,
    invitation,
    keys,
    labels,
    letters,
    ops,
    organisation,
    reveal,
    trouble,
)
from portal.pages.fresh import fresh_if_signed_in, fresh_proof_required

admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

customer_urls = [
    path("", customer.home, name="home"),
    path(
        "customers/<int:customer_pk>/request/<int:product_pk>/",
        customer.request_access,
        name="request",
    ),
    path("customers/<int:pk>/", organisation.show, name="organisation"),
    path("customers/<int:pk>/invite/", organisation.invite, name="invite"),
    path("customers/<int:pk>/labels/", labels.labels, name="labels"),
    path("customers/<int:pk>/letters/", letters.choose, name="letters"),
    path("customers/<int:pk>/leave/", organisation.leave, name="leave"),
    path("members/<int:pk>/", organisation.member_page, name="member"),
    path("invitations/<int:pk>/", organisation.invitation_page, name="invitation"),
    path("access/<int:pk>/", customer.access, name="access"),
    path("access/<int:pk>/repositories/<int:repository_pk>/", customer.access, name="repository"),
    path("access/<int:pk>/trouble/", trouble.trouble, name="trouble"),
    path("credentials/<int:pk>/reveal/", reveal.reveal, name="reveal"),
    path("credentials/<int:pk>/rotate/", keys.rotate, name="rotate"),
    path("keys/<int:pk>/switch/", keys.switch, name="switch_key"),
]
ops_urls = [
    path("", ops.dashboard, name="dashboard"),
    path("findings/", aws_state.findings, name="findings"),
    path("findings/<int:pk>/", aws_state.finding, name="finding"),
    path("capacity/", aws_state.capacity_meters, name="capacity"),
    path("keys/<int:pk>/switch/", aws_state.switch_key, name="switch_key"),
    path("registries/<int:pk>/retry/", aws_state.retry_registry, name="retry_registry"),
    path("repositories/<int:pk>/pullers/", aws_state.pullers, name="pullers"),
    path("audit/", audit.timeline, name="audit"),
    path("audit.csv", audit.export, name="audit_csv"),
    path("pull-users/<int:pk>/reissue/", ops.reissue, name="reissue"),
    path("pull-users/<int:pk>/retry/", ops.retry_pull_user, name="retry_pull_user"),
    path("repositories/<int:pk>/retry/", ops.retry_repository, name="retry_repository"),
]

urlpatterns = [
    path("", include((customer_urls, "customer"))),
    path("ops/", include((ops_urls, "ops"))),
    # Who has nothing to confirm with could else make herself something, from an old session.
    path("account/password/set/", fresh_proof_required(account_views.password_set)),
    path("account/email/", fresh_proof_required(account_views.email)),
    path("account/2fa/totp/activate/", fresh_proof_required(totp_views.activate_totp)),
    path("account/2fa/webauthn/add/", fresh_proof_required(webauthn_views.add_webauthn)),
    path("account/3rdparty/", fresh_proof_required(social_views.connections)),
    path("account/oidc/<str:provider_id>/login/", fresh_if_signed_in(oidc_views.login)),
    # Beside allauth's links: the proxy keeps addresses with keys out of its log.
    path("account/invitation/<str:token>/", invitation.follow, name="invitation_link"),
    path("account/invitation/", invitation.accept, name="accept_invitation"),
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
]
