"""Every address of the site."""

from allauth.account import views as account_views
from allauth.account.decorators import secure_admin_login
from allauth.mfa.totp import views as mfa_views
from django.contrib import admin
from django.urls import include, path

from portal.pages import customer, health, ops, trouble
from portal.pages.fresh import fresh_proof_required

admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

customer_urls = [
    path("", customer.home, name="home"),
    path(
        "customers/<int:customer_pk>/request/<int:product_pk>/",
        customer.request_access,
        name="request",
    ),
    path("access/<int:pk>/", customer.access, name="access"),
    path("access/<int:pk>/trouble/", trouble.trouble, name="trouble"),
    path("credentials/<int:pk>/reveal/", customer.reveal, name="reveal"),
]
ops_urls = [
    path("", ops.dashboard, name="dashboard"),
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
    path("account/2fa/totp/activate/", fresh_proof_required(mfa_views.activate_totp)),
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
]
