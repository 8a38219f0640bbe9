"""The link in an email that turns its kind off without signing in (RFC 8058, "Signaling One-Click
Functionality for List Email Headers"). All that it can do is that."""

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.emails.preferences import Reader
from accounts.models import EmailKind, Membership, User

SALT = "unsubscribe"


def headers(reader: Reader, kind: EmailKind) -> dict[str, str]:
    """For the mail program, which offers it as a button."""
    address = settings.ORIGIN + reverse("unsubscribe", args=[_token(reader, kind)])
    return {
        "List-Unsubscribe": f"<{address}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _token(reader: Reader, kind: EmailKind) -> str:
    is_member = isinstance(reader, Membership)
    return signing.dumps(["member" if is_member else "staff", reader.pk, kind], salt=SALT)


def find(token: str) -> tuple[Reader, EmailKind] | None:
    """The reader and the kind of email; None where the token is none of ours, or the reader is
    gone."""
    try:
        of, pk, kind = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None
    reader: Reader | None
    if of == "member":
        reader = Membership.objects.select_related("user", "customer").filter(pk=pk).first()
    else:
        reader = User.objects.filter(pk=pk, is_staff=True).first()
    return (reader, EmailKind(kind)) if reader else None
