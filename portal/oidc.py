"""Signing in at another site, by OpenID Connect, as allauth and browsers want it said."""

from typing import Any
from urllib.parse import urlsplit


def providers(issuer: str, *, name: str, client_id: str, secret: str) -> dict[str, Any]:
    """SOCIALACCOUNT_PROVIDERS with that one site, or, without an issuer, with none."""
    site = {
        "provider_id": "oidc",
        "name": name,
        "client_id": client_id,
        "secret": secret,
        "settings": {"server_url": issuer},
    }
    return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [site] if issuer else []}}


def form_targets(issuer: str) -> list[str]:
    """Where forms may lead, for the content security policy: browsers hold the redirect
    that answers a form to it, too."""
    address = urlsplit(issuer)
    return [f"{address.scheme}://{address.netloc}"] if issuer else []
