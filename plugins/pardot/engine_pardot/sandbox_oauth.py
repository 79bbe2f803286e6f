"""The Salesforce half of the sandbox: issues, refreshes and revokes access tokens.

Replies hold no lifetime and `issued_at` is text, as at Salesforce. A token's lifetime slides: using it renews it.
Source: developer.salesforce.com/docs/marketing/pardot/guide/authentication
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.testing.server import Request, Response
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_seed import Client, clients_of, refresh_tokens_of

PREFIX = "/services/oauth2/"
_ORG = "00D000000000001"


@dataclass
class _Grant:
    """An access token's life: when it ends, for whom it acts and what it may do."""

    ends: float
    client: Client


class _Refusal(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.response = Response(status, {"error": error, "error_description": description})


class TokenHost:
    """Issues tokens to the seed's clients and tells whom a token acts for. Thread-safe."""

    def __init__(self, seed: Mapping[str, Any], switches: Mapping[str, Any], now: Callable[[], float]) -> None:
        self._clients = clients_of(seed)
        self._refresh_tokens = refresh_tokens_of(seed)
        self._switches = switches
        self._now = now
        self._grants: dict[str, _Grant] = {}
        self._refreshing: set[str] = set()
        self._lock = threading.Lock()
        self.issued = 0

    def handle(self, request: Request) -> Response:
        action = request.path[len(PREFIX) :]
        if request.method != "POST" or action not in {"token", "revoke"}:
            return Response(404, {"error": "not_found", "error_description": "no such endpoint"})
        if action == "revoke":
            return self._revoke(request.form.get("token", ""))
        try:
            return self._grant(request)
        except _Refusal as refusal:
            return refusal.response

    def client_of(self, headers: Mapping[str, str]) -> Client:
        """Whose token a call carries; using it prolongs it. Raises ApiError 49 without one, 184 for a bad one."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not token or scheme.lower() != "bearer":
            raise ApiError("49")
        with self._lock:
            grant = self._grants.get(token)
            if grant is None or grant.ends <= self._now():
                raise ApiError("184", "Inactive token")
            if "pardot_api" not in grant.client.scope.split():
                raise ApiError("184")
            grant.ends = self._now() + float(self._switches["token_lifetime"])
            return grant.client

    def expire(self) -> None:
        """End every access token now; refresh tokens stay."""
        with self._lock:
            self._grants.clear()

    def _grant(self, request: Request) -> Response:
        form = request.form
        client = self._authenticated(request)
        kind = form.get("grant_type", "")
        if kind == "client_credentials":
            if not self._switches["client_credentials"]:
                raise _Refusal("invalid_grant", "request not supported on this domain")
            self._pause()
            return self._issued(client, {})
        if kind == "refresh_token":
            return self._refreshed(client, form.get("refresh_token", ""))
        raise _Refusal("unsupported_grant_type", "grant type not supported")

    def _authenticated(self, request: Request) -> Client:
        """The client that signs in, by form fields or HTTP Basic."""
        key, secret = _basic(request.headers.get("authorization", ""))
        form = request.form
        client = self._clients.get(key or form.get("client_id", ""))
        if client is None:
            raise _Refusal("invalid_client_id", "client identifier invalid")
        if not hmac.compare_digest((secret or form.get("client_secret", "")).encode(), client.secret.encode()):
            raise _Refusal("invalid_client", "invalid client credentials", 401)
        return client

    def _refreshed(self, client: Client, token: str) -> Response:
        """Two refreshes of one token at a time are refused, and with rotation a token serves only once."""
        with self._lock:
            if self._refresh_tokens.get(token) != client.id:
                raise _Refusal("invalid_grant", "expired access/refresh token")
            if token in self._refreshing and self._switches["refuse_concurrent_refresh"]:
                raise _Refusal("invalid_grant", "token request is already being processed")
            self._refreshing.add(token)
        try:
            self._pause()
            return self._issued(client, self._rotated(client, token))
        finally:
            with self._lock:
                self._refreshing.discard(token)

    def _rotated(self, client: Client, token: str) -> dict[str, str]:
        if not self._switches["rotate_refresh_token"]:
            return {}
        fresh = "5Aep861" + secrets.token_urlsafe(24)
        with self._lock:
            self._refresh_tokens.pop(token, None)
            self._refresh_tokens[fresh] = client.id
        return {"refresh_token": fresh}

    def _issued(self, client: Client, more: Mapping[str, str]) -> Response:
        now = self._now()
        token = f"{_ORG}!{secrets.token_urlsafe(36)}"
        with self._lock:
            self._grants[token] = _Grant(now + float(self._switches["token_lifetime"]), client)
            self.issued += 1
        answer = {
            "access_token": token,
            "signature": secrets.token_urlsafe(32),
            "scope": client.scope,
            "instance_url": "https://example.my.salesforce.com",
            "id": f"https://login.salesforce.com/id/{_ORG}EAV/005000000000001AAA",
            "token_type": "Bearer",
            "issued_at": str(int(now * 1000)),
        }
        return Response(200, {**answer, **more})

    def _revoke(self, token: str) -> Response:
        """Revoking a refresh token ends the access tokens of its client as well."""
        with self._lock:
            client = self._refresh_tokens.pop(token, None)
            gone = [each for each, grant in self._grants.items() if each == token or grant.client.id == client]
            for each in gone:
                del self._grants[each]
        if client is None and not gone:
            return Response(400, {"error": "invalid_token", "error_description": "invalid token"})
        return Response(200)

    def _pause(self) -> None:
        if self._switches["latency"]:
            time.sleep(float(self._switches["latency"]))


def _basic(header: str) -> tuple[str, str]:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        key, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return key, secret
