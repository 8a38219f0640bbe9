"""One's own sign-ins: sessions, what happened lately, and what to do when it was someone else."""

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts import own_address
from accounts.actor import actor, current_user
from accounts.audit.models import Action, AuditEvent
from accounts.flows import own_account
from accounts.models import Session
from accounts.sessions import devices
from accounts.sessions.models import hash_of
from portal.pages.perform import perform

LINES = 20
OF_ONES_OWN_ACCOUNT = [
    Action.SIGNED_UP,
    Action.SIGNED_IN,
    Action.SIGNED_OUT,
    Action.CONFIRMED,
    Action.CHANGED_SIGN_IN,
    Action.ENDED_SESSIONS,
    Action.LOCKED,
]


@login_required
@require_http_methods(["GET", "POST"])
def security(request: HttpRequest) -> HttpResponse:
    """GET shows sessions and events; POST ends a session, or all others."""
    user = current_user(request)
    key = request.session.session_key
    sessions = Session.objects.filter(user=user, expires_at__gt=timezone.now())
    if request.method == "POST":
        chosen = sessions.filter(pk=request.POST.get("session", "")).first()
        if chosen:
            perform(
                request,
                lambda: own_account.end_session(chosen, by=actor(request)),
                done=f"{chosen.device} is signed out.",
            )
        else:
            own_account.end_other_sessions(key, by=actor(request))
            messages.success(request, "Your other sessions are signed out.")
        return redirect("security")
    context = {
        "sessions": sessions.order_by("-seen_at"),
        "current": hash_of(key) if key else "",
        "lines": AuditEvent.objects.filter(
            Q(actor=user, action__in=OF_ONES_OWN_ACCOUNT)
            | Q(action=Action.FAILED_SIGN_IN, subject=user.email)
        )[:LINES],
        "own_address": own_address.find(user),
        "factors": Authenticator.objects.filter(user=user).exclude(type="recovery_codes").count(),
    }
    return render(request, "account/security.html", context)


@login_required
@require_POST
def report_misuse(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    is_known = devices.knows(request, user)
    own_account.report_misuse(by=actor(request))
    if is_known:
        user.refresh_from_db()
        devices.remember(request, user)
    logout(request)
    messages.success(
        request,
        "All your sessions have ended, and you can reveal no credentials for now. Choose a new "
        "password, then ask an owner of your organisation or your vendor to allow reveals again.",
    )
    return redirect("account_reset_password")
