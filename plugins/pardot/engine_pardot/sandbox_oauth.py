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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.testing.server import Request, Response
from engine_pardot.sandbox_assertions import JWT_BEARER, user_of
from engine_pardot.sandbox_authorize import Authorize
from engine_pardot.sandbox_errors import ApiError, TokenRefusal
from engine_pardot.sandbox_seed import Client, User, clients_of, refresh_tokens_of
from engine_pardot.sandbox_timing import TOKEN, latency_of

PREFIX = "/services/oauth2/"
_ORG = "00D000000000001"
#: The scopes with which a refresh token is issued.
_OFFLINE = frozenset({"refresh_token", "offline_access"})
#: What an assertion may name as its audience, beside the sandbox itself.
_AUDIENCES = ("https://login.salesforce.com", "https://example.my.salesforce.com")
#: What a refresh is refused with while the same token is being used, by the switch `busy_text`.
_BUSY = {"new": "token request is already being processed", "old": "expired authorization code"}


@dataclass(frozen=True)
class _Consent:
    """What a token stands for: the app, the user it acts for, what it may do."""

    client: Client
    user: int
    scope: str


@dataclass
class _Grant:
    """An access token's life: when it ends and what it stands for."""

    ends: float
    consent: _Consent


class TokenHost:
    """Issues tokens to the seed's clients and tells whom a token acts for. Thread-safe."""

    def __init__(
        self,
        seed: Mapping[str, Any],
        users: Mapping[int, User],
        switches: Mapping[str, Any],
        now: Callable[[], float],
        *,
        url: Callable[[], str],
        pause: Callable[[float], None],
        speed: float,
    ) -> None:
        self._clients = clients_of(seed)
        self._users = users
        self._refresh_tokens = {
            token: _Consent(self._clients[key], self._clients[key].user, self._clients[key].scope)
            for token, key in refresh_tokens_of(seed).items()
        }
        self._switches = switches
        self._now = now
        self._url = url
        self._pause = pause
        self._speed = speed
        self._authorize = Authorize(self._clients, switches, now)
        self._grants: dict[str, _Grant] = {}
        self._refreshing: set[str] = set()
        self._lock = threading.Lock()
        self.issued = 0

    def handle(self, request: Request) -> Response:
        action = request.path[len(PREFIX) :]
        try:
            if action == "authorize" and request.method in {"GET", "POST"}:
                return self._authorize.page(request)
            if action == "token" and request.method == "POST":
                return self._granted(request)
            if action == "revoke" and request.method in {"GET", "POST"}:
                return self._revoke({**request.query, **request.form}.get("token", ""))
        except TokenRefusal as refusal:
            return refusal.response
        return Response(404, {"error": "not_found", "error_description": "no such endpoint"})

    def user_of(self, headers: Mapping[str, str]) -> int:
        """The user that a call acts for; it prolongs its token. Raises ApiError 49 without one, 184 for a bad one."""
        token = bearer(headers)
        if not token:
            raise ApiError("49")
        with self._lock:
            grant = self._grants.get(token)
            if grant is None or grant.ends <= self._now():
                raise ApiError("184", "Inactive token")
            if "pardot_api" not in grant.consent.scope.split():
                raise ApiError("184")
            grant.ends = self._now() + self._lifetime
            return grant.consent.user

    def expire(self) -> None:
        """End every access token now; refresh tokens stay."""
        with self._lock:
            self._grants.clear()

    def kill(self, headers: Mapping[str, str]) -> None:
        """End the access token that a call carries."""
        with self._lock:
            self._grants.pop(bearer(headers), None)

    # Grants -----------------------------------------------------------------------------------------------------

    def _granted(self, request: Request) -> Response:
        form = request.form
        kind = form.get("grant_type", "")
        if kind == JWT_BEARER:
            hosts = frozenset({self._url(), *_AUDIENCES})
            client, user = user_of(
                form.get("assertion", ""), self._clients, self._users, hosts, self._now(), self._jwt_lifetime
            )
            self._wait()
            return self._issued(_Consent(client, self._active(user), client.scope), {})
        if kind == "client_credentials":
            return self._as_itself(self._authenticated(request, secret=True))
        if kind == "refresh_token":
            client = self._authenticated(request)
            return self._refreshed(client, form.get("refresh_token", ""))
        if kind == "authorization_code":
            client = self._authenticated(request)
            scope = self._authorize.redeemed(client, form)
            self._wait()
            consent = _Consent(client, self._active(client.user), scope)
            return self._issued(consent, self._refresh_token(consent))
        raise TokenRefusal("unsupported_grant_type", "grant type not supported")

    def _authenticated(self, request: Request, *, secret: bool = False) -> Client:
        """The client that signs in, by form fields or HTTP Basic; `secret`: it needs one whatever its settings."""
        form = request.form
        key, given = _basic(request.headers.get("authorization", ""))
        key, given = key or form.get("client_id", ""), given or form.get("client_secret", "")
        client = self._clients.get(key)
        if client is None:
            raise TokenRefusal("invalid_client_id", "client identifier invalid")
        if not given and not client.requires_secret and not secret:
            return client
        if not hmac.compare_digest(given.encode(), client.secret.encode()):
            raise TokenRefusal("invalid_client", "invalid client credentials", 401)
        return client

    def _as_itself(self, client: Client) -> Response:
        """Client credentials: for the run-as user, and on a My Domain host only."""
        if not self._switches["client_credentials"]:
            raise TokenRefusal("invalid_grant", "request not supported on this domain")
        if client.run_as is None:
            raise TokenRefusal("invalid_grant", "no client credentials user enabled")
        self._wait()
        return self._issued(_Consent(client, self._active(client.run_as), client.scope), {})

    def _active(self, number: int) -> int:
        user = self._users.get(number)
        if user is not None and not user.active:
            raise TokenRefusal("invalid_grant", "inactive_user")
        return number

    def _refreshed(self, client: Client, token: str) -> Response:
        """Two refreshes of one token at a time are refused, and with rotation a token serves only once."""
        with self._lock:
            consent = self._refresh_tokens.get(token)
            if consent is None or consent.client.id != client.id:
                raise TokenRefusal("invalid_grant", "expired access/refresh token")
            if token in self._refreshing and self._switches["refuse_concurrent_refresh"]:
                raise TokenRefusal("invalid_grant", _BUSY[str(self._switches["busy_text"])])
            self._refreshing.add(token)
        try:
            self._active(consent.user)
            self._wait()
            if not self._switches["rotate_refresh_token"]:
                return self._issued(consent, {})
            with self._lock:
                if self._refresh_tokens.pop(token, None) is None:
                    raise TokenRefusal("invalid_grant", "expired access/refresh token")
            return self._issued(consent, self._refresh_token(consent))
        finally:
            with self._lock:
                self._refreshing.discard(token)

    def _refresh_token(self, consent: _Consent) -> dict[str, str]:
        """A new refresh token, where the scope has one."""
        if not _OFFLINE.intersection(consent.scope.split()):
            return {}
        fresh = "5Aep861" + secrets.token_urlsafe(24)
        with self._lock:
            self._refresh_tokens[fresh] = consent
        return {"refresh_token": fresh}

    def _issued(self, consent: _Consent, more: Mapping[str, str]) -> Response:
        now = self._now()
        token = f"{_ORG}!{secrets.token_urlsafe(36)}"
        with self._lock:
            self._grants[token] = _Grant(now + self._lifetime, consent)
            self.issued += 1
        answer = {
            "access_token": token,
            "signature": secrets.token_urlsafe(32),
            "scope": consent.scope,
            "instance_url": "https://example.my.salesforce.com",
            "id": f"https://login.salesforce.com/id/{_ORG}EAV/0050000000{consent.user:05d}AAA",
            "token_type": "Bearer",
            "issued_at": str(int(now * 1000)),
        }
        return Response(200, {**answer, **more})

    def _revoke(self, token: str) -> Response:
        """Revoking a refresh token ends the access tokens of the same consent as well."""
        with self._lock:
            consent = self._refresh_tokens.pop(token, None)
            gone = [each for each, grant in self._grants.items() if each == token or grant.consent == consent]
            for each in gone:
                del self._grants[each]
        if consent is None and not gone:
            return Response(400, {"error": "invalid_token", "error_description": "invalid token"})
        return Response(200)

    @property
    def _lifetime(self) -> float:
        return float(self._switches["token_lifetime"]) / self._speed

    @property
    def _jwt_lifetime(self) -> float:
        return float(self._switches["jwt_lifetime"])

    def _wait(self) -> None:
        seconds = latency_of(self._switches["latency"], TOKEN, self._speed)
        if seconds:
            self._pause(seconds)


def bearer(headers: Mapping[str, str]) -> str:
    """The access token of a call, "" where it has none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _basic(header: str) -> tuple[str, str]:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        key, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return key, secret
