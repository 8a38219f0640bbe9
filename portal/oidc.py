"""Sign-in at an identity provider by OpenID Connect, in the forms that allauth and the content
security policy need."""

from typing import Any
from urllib.parse import urlsplit


def providers(issuer: str, *, name: str, client_id: str, secret: str) -> dict[str, Any]:
    """SOCIALACCOUNT_PROVIDERS with this provider; with none, if there is no issuer."""
    provider = {
        "provider_id": "oidc",
        "name": name,
        "client_id": client_id,
        "secret": secret,
        "settings": {"server_url": issuer},
    }
    return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [provider] if issuer else []}}


def form_targets(issuer: str) -> list[str]:
    """Where forms may lead: browsers apply the policy also to the redirect that answers one."""
    address = urlsplit(issuer)
    return [f"{address.scheme}://{address.netloc}"] if issuer else []
