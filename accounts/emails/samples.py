"""An example of each email, for the vendor to read before anybody gets it. Nothing in them is
real."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from accounts.emails import delivery
from accounts.models import Customer, Email, EmailKind, Invitation, Membership, User

AT, LATER = datetime(2026, 5, 3, 8, 30, tzinfo=UTC), datetime(2026, 6, 2, 22, 0, tzinfo=UTC)
WHO = "Erik Ek (erik@birch.example)"
PRODUCT = {"path": "/", "product": "Acme Server"}
KEY = {"path": "/", "label": "default"}
OWN = {"path": "/account/security/", "happened_at": AT}
DEVICE = OWN | {"address": "192.0.2.1", "device": "Firefox on Windows"}
ORGANISATION = {"path": "/", "who": "erik@birch.example", "by": "Alice Ahlgren"}
REPOSITORIES = ["acme/agent", "acme/server"]

# Kind → its facts, as an action writes them.
FACTS: dict[EmailKind, dict[str, Any]] = {
    EmailKind.INVITATION: {"invitation": 1},
    EmailKind.WELCOME: {},
    EmailKind.NEW_REQUEST: PRODUCT
    | {"who": "Birch Bank", "by": WHO, "reference": "PO-7", "note": "By May, please."},
    EmailKind.REQUESTS_WAITING: {"path": "/", "number": 7, "oldest_at": AT},
    EmailKind.RENEWAL: PRODUCT | {"who": "Birch Bank", "ends_at": LATER, "days": 30},
    EmailKind.TROUBLE: {
        "path": "/ops/",
        "happened_at": AT,
        "lines": [
            "Pull user birch-bank of Birch Bank needs attention. A quota of AWS is used up.",
            "The portal's statement edited: Repository acme/server",
        ],
    },
    EmailKind.REQUEST_RECEIVED: PRODUCT | {"reference": "PO-7"},
    EmailKind.APPROVED: PRODUCT
    | {
        "note": "Welcome to Acme.",
        "starts_at": AT,
        "ends_at": LATER,
        "decided_at": AT,
        "is_later": False,
    },
    EmailKind.REJECTED: PRODUCT | {"note": "Please renew the contract first."},
    EmailKind.READY: PRODUCT
    | {
        "repositories": REPOSITORIES,
        "state": {
            "words": "The credentials are waiting to be revealed",
            "remedy": "An owner or an engineer can reveal them, once; then you can pull.",
        },
    },
    EmailKind.TERM_ENDING: PRODUCT | {"ends_at": LATER, "days": 30},
    EmailKind.ENDED: PRODUCT
    | {
        "ended_at": LATER,
        "is_over": True,
        "is_confirmed": True,
        "seconds": 4,
        "repositories": REPOSITORIES,
    },
    EmailKind.SUSPENDED: PRODUCT,
    EmailKind.RESUMED: PRODUCT,
    EmailKind.KEY_EXPIRING: KEY | {"expires_at": LATER, "days": 30},
    EmailKind.ROTATED: KEY | {"by": WHO, "until_at": LATER},
    EmailKind.UNREVEALED: KEY | {"destroyed_at": LATER},
    EmailKind.REVEALED: KEY | {"by": WHO, "revealed_at": AT},
    EmailKind.NEW_DEVICE: DEVICE,
    EmailKind.SIGN_IN_CHANGED: OWN | {"what": "the password was changed"},
    EmailKind.LOCKED_OUT: DEVICE,
    EmailKind.MEMBER_JOINED: ORGANISATION | {"role": "engineer", "awaits_confirmation": True},
    EmailKind.MEMBER_REMOVED: OWN | {"organisation": "Birch Bank", "by": "Alice Ahlgren"},
    EmailKind.FACTOR_RESET: {
        "path": "/",
        "who": "erik@birch.example",
        "what": "TOTP Authenticator",
    },
    EmailKind.MEMBER_LOCKED: ORGANISATION | {"withdrawn": "", "unconfirmed": ""},
    EmailKind.MEMBER_UNLOCKED: ORGANISATION,
    EmailKind.AUDIT_BROKEN: {"path": "/ops/audit/", "broken": "Link 3 is missing."},
    EmailKind.HOLDER_LEFT: KEY | {"who": WHO, "revealed_at": AT},
    EmailKind.KEY_DEACTIVATED: KEY | {"by": WHO, "deactivated_at": AT},
    EmailKind.KEY_ENDED: KEY | {"by": WHO, "ended_at": AT},
    EmailKind.LABEL_CHANGED: KEY | {"label": "ci", "by": WHO, "is_added": True, "changed_at": AT},
    EmailKind.NEW_VERSION: PRODUCT | {"repository": "acme/server", "tags": ["1.2", "1.2.3"]},
}
# The emails of signing in, which are sent at once: slug → what it is about, and what it shows.
OF_SIGN_IN: dict[str, tuple[str, dict[str, Any]]] = {
    "login_code": ("A code to sign in with", {"code": "ABCD-EFGH"}),
    "email_confirmation": ("A code that verifies an address", {"code": "ABCD-EFGH"}),
    "email_confirmation_signup": ("The same, after a sign-up", {"code": "ABCD-EFGH"}),
    "password_reset_key": (
        "A link to a new password",
        {"password_reset_url": f"{settings.ORIGIN}/account/password/reset/key/example/"},
    ),
    "unknown_account": ("A code or link for an address without an account", {}),
    "account_already_exists": ("A sign-up with an address that has an account", {}),
}


@dataclass(frozen=True)
class Sample:
    """``slug`` names it in an address."""

    slug: str
    about: str
    message: EmailMultiAlternatives

    @property
    def html(self) -> str:
        return str(self.message.alternatives[0][0])


def samples() -> list[Sample]:
    """One of each, those of signing in first."""
    return [sample(slug) for slug in [*OF_SIGN_IN, *(str(kind) for kind in FACTS)]]


def sample(slug: str) -> Sample:
    """Raises KeyError for a slug that is none."""
    if slug in OF_SIGN_IN:
        about, context = OF_SIGN_IN[slug]
        message = get_adapter().compose(f"account/email/{slug}", "alice@birch.example", context)
        return Sample(slug, about, message)
    kinds = {str(kind): kind for kind in FACTS}
    kind = kinds[slug]
    return Sample(slug, str(kind.label), _of_outbox(kind, FACTS[kind]))


def _of_outbox(kind: EmailKind, facts: dict[str, Any]) -> EmailMultiAlternatives:
    alice = User(pk=1, email="alice@birch.example", name="Alice Ahlgren")
    birch = Customer(pk=1, name="Birch Bank", slug="birch-bank")
    owner = Membership(user=alice, customer=birch, role=Membership.Role.OWNER)
    email = Email(kind=kind, to=alice.email, user=alice, customer=birch, facts=facts)
    context: dict[str, Any] = {"membership": owner}
    if kind == EmailKind.INVITATION:
        invited = {"email": "erik@birch.example", "role": Membership.Role.ENGINEER}
        context["invitation"] = Invitation(customer=birch, invited_by=alice, **invited)
        context["link"] = f"{settings.ORIGIN}/account/invitation/example/"
    return delivery.compose(email, **context)
