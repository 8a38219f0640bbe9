"""What people do to their own account, as allauth's signals report it.

Each leaves an audit line. What changes how a person signs in ends their other sessions, and is
reported to them by email, as are a sign-in on a new device and attempts that were locked out.
"""

import logging
from datetime import timedelta
from typing import Any

from allauth.account import signals as account
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from allauth.socialaccount import signals as social
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils import timezone

from accounts import attempts, own_address, single_sign_on, verification
from accounts.actor import Actor, client_address
from accounts.audit.log import Action, record, record_attempt
from accounts.emails import outbox
from accounts.models import AuditEvent, Email, EmailKind, User
from accounts.recent_sign_in import count_set_up
from accounts.sessions import devices, lifetime, waiting
from accounts.sessions.models import device_of

log = logging.getLogger(__name__)

METHODS = {"password": "password", "code": "code by email", "socialaccount": "single sign-on"}
METHODS |= {"totp": "authenticator app", "recovery_codes": "recovery code", "webauthn": "passkey"}
FACTORS = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.WEBAUTHN: "passkey or security key",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
}
# A person whose account is under attack is told this often at most.
LOCKED_OUT_EVERY = timedelta(hours=1)


# --- Signing in and out --------------------------------------------------------------


def signed_up(request: HttpRequest, user: User, **kwargs: Any) -> None:
    verification.created(request, user)
    record(Action.SIGNED_UP, user.email, by=_actor(request, user))


def signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    lifetime.begin(request, address=client_address(request))
    is_first = not AuditEvent.objects.filter(actor=user, action=Action.SIGNED_IN).exists()
    if not is_first and not devices.knows(request, user):
        _email(EmailKind.NEW_DEVICE, request, user)
    devices.remember(request, user)
    single_sign_on.remember(request, user)
    used = [record.get("type", record["method"]) for record in _records(request, user)]
    methods = " and ".join(METHODS.get(name, name) for name in dict.fromkeys(used))
    how = f"by {methods or 'creating the account'}, {_device(request)}"
    record(Action.SIGNED_IN, how, by=_actor(request, user))


def signed_out(request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        record(Action.SIGNED_OUT, _device(request), by=_actor(request, user))


def confirmed(request: HttpRequest, user: User, method: str, **kwargs: Any) -> None:
    if kwargs.get("reauthenticated"):
        name = kwargs.get("type", method)
        subject = f"by {METHODS.get(name, name)}"
        record(Action.CONFIRMED, subject, by=_actor(request, user))


def failed_with_password(
    request: HttpRequest | None, credentials: dict[str, Any], **kwargs: Any
) -> None:
    failed(request, attempts.user_of(credentials.get("email", "")))


def failed(request: HttpRequest | None, user: User | None, **kwargs: Any) -> None:
    """The log names no address: people type passwords into the wrong field."""
    log.warning("Failed sign-in of %s", f"user {user.pk}" if user else "nobody known")
    if user is not None:
        record_attempt(user, address=client_address(request))


def locked_out(request: HttpRequest, email: str) -> None:
    """Too many attempts at one account."""
    user = attempts.user_of(email)
    if user is None:
        return
    since = timezone.now() - LOCKED_OUT_EVERY
    recent = Email.objects.filter(kind=EmailKind.LOCKED_OUT, user=user, created_at__gt=since)
    if not recent.exists():
        _email(EmailKind.LOCKED_OUT, request, user)


# --- Ways to sign in -----------------------------------------------------------------


def password_set(request: HttpRequest, user: User, **kwargs: Any) -> None:
    _changed(request, user, "password set")


def password_changed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    _changed(request, user, "password changed")


def password_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    verification.reset(request, user)
    removed = single_sign_on.remove_lately_connected(user)
    also = f"; removed, because it was connected lately: {removed}" if removed else ""
    _changed(request, user, f"password reset by a link in an email{also}")


def address_added(request: HttpRequest, user: User, email_address: Any, **kwargs: Any) -> None:
    _changed(request, user, f"email address {email_address.email} added")


def address_removed(request: HttpRequest, user: User, email_address: Any, **kwargs: Any) -> None:
    what = f"email address {email_address.email} removed"
    _changed(request, user, what, also_to=email_address.email)


def address_changed(
    request: HttpRequest,
    user: User,
    from_email_address: Any,
    to_email_address: EmailAddress,
    **kwargs: Any,
) -> None:
    before = from_email_address.email if from_email_address else ""
    own_address.remember(user, from_email_address)
    single_sign_on.forget(user)
    _changed(request, user, f"{to_email_address.email} made the primary address", also_to=before)


def address_verified(request: HttpRequest, email_address: EmailAddress, **kwargs: Any) -> None:
    user = email_address.user
    subject = f"email address {email_address.email} verified"
    record(Action.CHANGED_SIGN_IN, subject, by=_actor(request, user))
    verification.verified(request, user)
    if not request.user.is_authenticated:
        # A step of the sign-in itself.
        waiting.begin(request, user)


def factor_added(instance: Authenticator, *, created: bool, **kwargs: Any) -> None:
    """allauth's own signal comes after the transaction, too late for the audit line."""
    request = context.request
    if created and _is_by_owner(instance):
        count_set_up(request, instance)
        _changed(request, instance.user, f"{FACTORS[instance.type]} added")


def factor_removed(instance: Authenticator, **kwargs: Any) -> None:
    if _is_by_owner(instance):
        _changed(context.request, instance.user, f"{FACTORS[instance.type]} removed")


def _is_by_owner(authenticator: Authenticator) -> bool:
    """Not by the vendor (``flows.own_account.remove_factor``), and not by a command."""
    return context.request is not None and context.request.user == authenticator.user


def single_sign_on_added(request: HttpRequest, sociallogin: Any, **kwargs: Any) -> None:
    single_sign_on.replace_others(request, sociallogin)
    _changed(request, sociallogin.user, "single sign-on connected")


def single_sign_on_removed(request: HttpRequest, socialaccount: Any, **kwargs: Any) -> None:
    single_sign_on.forget(socialaccount.user)
    _changed(request, socialaccount.user, "single sign-on disconnected")


def identity_updated(instance: SocialAccount, **kwargs: Any) -> None:
    """allauth saves the identity that it has read before, and so would bring back one that a report
    of misuse has removed since."""
    if instance._state.adding:
        return
    # Before the identity, as in a report.
    instance.user.lock()
    if not SocialAccount.objects.filter(pk=instance.pk).exists():
        raise ImmediateHttpResponse(lifetime.end(context.request))


RECEIVERS: dict[Signal, Any] = {
    account.user_signed_up: signed_up,
    account.user_logged_in: signed_in,
    user_logged_out: signed_out,
    account.authentication_step_completed: confirmed,
    user_login_failed: failed_with_password,
    account.login_code_rejected: failed,
    account.password_reset_code_rejected: failed,
    account.email_verification_code_rejected: failed,
    mfa.authentication_failed: failed,
    account.password_set: password_set,
    account.password_changed: password_changed,
    account.password_reset: password_reset,
    account.email_added: address_added,
    account.email_removed: address_removed,
    account.email_changed: address_changed,
    account.email_confirmed: address_verified,
    social.social_account_added: single_sign_on_added,
    social.social_account_removed: single_sign_on_removed,
}


def connect() -> None:
    """Receive the signals; called once, at the start."""
    for signal, receiver in RECEIVERS.items():
        signal.connect(receiver)
    pre_save.connect(identity_updated, sender=SocialAccount)
    post_save.connect(factor_added, sender=Authenticator)
    post_delete.connect(factor_removed, sender=Authenticator)


# --- What they have in common ----------------------------------------------------------


def _changed(request: HttpRequest, user: User, what: str, *, also_to: str = "") -> None:
    record(Action.CHANGED_SIGN_IN, what, by=_actor(request, user))
    lifetime.end_all(user, but=request.session.session_key)
    if request.user == user:
        devices.remember(request, user)
    for to in dict.fromkeys(filter(None, [user.email, also_to])):
        facts = {"address": client_address(request), "device": _device(request)}
        outbox.sign_in_changed(user, what, to=to, **facts)


def _email(kind: EmailKind, request: HttpRequest, user: User) -> None:
    outbox.to_person(kind, user, address=client_address(request), device=_device(request))


def _actor(request: HttpRequest, user: User) -> Actor:
    return Actor(user, client_address(request))


def _device(request: HttpRequest) -> str:
    return device_of(request.headers.get("User-Agent", ""))


def _records(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    return list(get_authentication_records(request, user))
