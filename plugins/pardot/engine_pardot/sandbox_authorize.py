"""The web server flow: the page on which a user lets an app in, and the codes that come of it.

Source: help.salesforce.com, OAuth 2.0 Web Server Flow for Web App Integration (with PKCE)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from engine.testing.server import Request, Response
from engine_pardot.sandbox_errors import TokenRefusal
from engine_pardot.sandbox_seed import Client

#: Seconds for which a code can be exchanged.
_CODE_LIFE = 15 * 60.0
_LOOPBACK = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/.*)?")
_PAGE = """<!DOCTYPE html><html><head><title>Allow Access?</title></head><body>
<h1>Allow access?</h1><p>{app} asks for: {scope}</p>
<p><a id="allow" href="{allow}">Allow</a> <a id="deny" href="{deny}">Deny</a></p></body></html>"""


@dataclass(frozen=True)
class _Code:
    """What a code stands for; `challenge` is "" where the app sent none."""

    client: str
    redirect_uri: str
    challenge: str
    scope: str
    ends: float


class Authorize:
    """Gives out codes, each of which is exchanged once."""

    def __init__(self, clients: Mapping[str, Client], switches: Mapping[str, Any], now: Callable[[], float]) -> None:
        self._clients = clients
        self._switches = switches
        self._now = now
        self._codes: dict[str, _Code] = {}

    def page(self, request: Request) -> Response:
        """Send the user back with a code, or show the page that asks; as the switch `authorize` says.

        Raises TokenRefusal where the app or its callback address is unknown: then nobody is sent anywhere.
        """
        asked = {**request.query, **request.form}
        client = self._clients.get(asked.get("client_id", ""))
        if client is None:
            raise TokenRefusal("invalid_client_id", "client identifier invalid")
        if not _may_return(client, asked.get("redirect_uri", "")):
            raise TokenRefusal("redirect_uri_mismatch", "redirect_uri must match configuration")
        if asked.get("response_type") != "code":
            return _back(asked, error="unsupported_response_type", error_description="response type not supported")
        if client.requires_pkce and not asked.get("code_challenge"):
            return _back(asked, error="invalid_request", error_description="missing required code challenge")
        decision = asked.pop("decision", "")
        if not decision:
            decision = {"redirect": "allow", "deny": "deny"}.get(str(self._switches["authorize"]), "")
        if decision == "deny":
            return _back(asked, error="access_denied", error_description="end-user denied authorization")
        return self._allowed(client, asked) if decision else _question(client, asked)

    def redeemed(self, client: Client, form: Mapping[str, str]) -> str:
        """The scope of a code, which can be exchanged no more. Raises TokenRefusal for one that is not the app's."""
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.client != client.id:
            raise TokenRefusal("invalid_grant", "invalid authorization code")
        if code.ends <= self._now():
            raise TokenRefusal("invalid_grant", "expired authorization code")
        if code.redirect_uri != form.get("redirect_uri"):
            raise TokenRefusal("redirect_uri_mismatch", "redirect_uri must match configuration")
        if code.challenge and not hmac.compare_digest(code.challenge, _challenge(form.get("code_verifier", ""))):
            raise TokenRefusal("invalid_grant", "invalid code verifier")
        return code.scope

    def _allowed(self, client: Client, asked: Mapping[str, str]) -> Response:
        wanted, may = asked.get("scope", "").split(), client.scope.split()
        if set(wanted) - set(may):
            return _back(asked, error="invalid_scope", error_description="the requested scope is not allowed")
        code = "aPrx" + secrets.token_urlsafe(30)
        self._codes[code] = _Code(
            client.id,
            asked["redirect_uri"],
            asked.get("code_challenge", ""),
            " ".join(wanted or may),
            self._now() + _CODE_LIFE,
        )
        return _back(asked, code=code)


def _may_return(client: Client, address: str) -> bool:
    if client.redirect_uris is None:
        return _LOOPBACK.fullmatch(address) is not None
    return address in client.redirect_uris


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _back(asked: Mapping[str, str], **answer: str) -> Response:
    """Send the user to the app's address with the answer and the app's own state."""
    if "state" in asked:
        answer["state"] = asked["state"]
    address = asked["redirect_uri"]
    return Response(302, headers={"Location": f"{address}{'&' if '?' in address else '?'}{urlencode(answer)}"})


def _question(client: Client, asked: Mapping[str, str]) -> Response:
    links = {each: escape("?" + urlencode({**asked, "decision": each}), quote=True) for each in ("allow", "deny")}
    page = _PAGE.format(app=escape(client.id), scope=escape(asked.get("scope") or client.scope), **links)
    return Response(200, page, {"Content-Type": "text/html;charset=UTF-8"})
