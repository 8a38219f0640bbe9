"""An OpenID Connect provider of the tests."""

from typing import Any
from urllib.parse import urlencode

import flask


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
