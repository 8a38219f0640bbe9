"""An OpenID Connect provider of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import flask
from pytest_django.fixtures import Settings
from werkzeug.serving import make_server

from portal import oidc


def provider(person: dict[str, Any]) -> flask.Flask:
    """A provider where ``person`` is signed in, and which trusts every client."""
    site = flask.Flask("provider")

    @site.get("/.well-known/openid-configuration")
    def configuration() -> dict[str, Any]:
        here = flask.request.host_url
        ends = {"authorization": "authorize", "token": "token", "userinfo": "person"}
        return {"issuer": here} | {f"{name}_endpoint": here + end for name, end in ends.items()}

    @site.get("/authorize")
    def authorize() -> Any:
        asked = flask.request.args
        answer = urlencode({"code": "code", "state": asked["state"]})
        return flask.redirect(f"{asked['redirect_uri']}?{answer}")

    @site.post("/token")
    def token() -> dict[str, Any]:
        return {"access_token": "token", "token_type": "Bearer"}

    @site.get("/person")
    def userinfo() -> dict[str, Any]:
        return person

    return site


@contextmanager
def serving(settings: Settings) -> Iterator[dict[str, Any]]:
    """Serve a provider that the site trusts. Yields the person that is signed in there."""
    person: dict[str, Any] = {"sub": "7", "name": "Alice", "email_verified": True}
    server = make_server("127.0.0.1", 0, provider(person), threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    issuer = f"http://127.0.0.1:{server.port}"
    settings.OIDC_ISSUER = issuer
    settings.SOCIALACCOUNT_PROVIDERS = oidc.providers(
        issuer, name="Birch ID", client_id="portal", secret="not-a-secret"
    )
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    form_action = [*policy["form-action"], *oidc.form_targets(issuer)]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": policy | {"form-action": form_action}}
    yield person
    server.shutdown()
