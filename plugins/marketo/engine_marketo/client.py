"""Calls to Marketo's REST API: the token, the call itself, and what its envelope says.

HTTP 200 means nothing here: whether a call succeeded stands in the body, and what became of a record in its own row.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from engine.adapters import Context
from engine.errors import CredentialsError, NoAnswer, RetryLater
from engine.http import Http, Reply
from engine.redaction import redact
from engine_marketo.config import Settings
from engine_marketo.errors import (
    CREDENTIALS,
    REAUTHENTICATE,
    Reason,
    Refused,
    Site,
    call_error,
    reasons,
    unclear,
    wrong_address,
)

Envelope = Mapping[str, Any]

#: Seconds before its end at which a token is no longer used.
RENEW_BEFORE = 60.0
#: How often a dying token is waited out before the caller is sent away.
_TOKEN_TRIES = 5
#: The vendor refuses a URI above 8 KB; longer queries travel as a form. The margin is for the host and the headers.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
MAX_URI = 7_000


class TokenKeeper:
    """Holds the access token; refreshed by one thread at a time while the others wait for it.

    Identity calls are free of the vendor's quota, so they are not counted.
    Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/authentication
    """

    def __init__(self, http: Http, settings: Settings, context: Context) -> None:
        self._http = http
        self._settings = settings
        self._context = context
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def current(self) -> str:
        """Return a living token. Raises CredentialsError; RetryLater where the service does not answer properly."""
        with self._lock:
            if self._token and self._context.now() < self._renew_at:
                return self._token
            return self._fetch()

    def after(self, dead: str) -> str:
        """Return another token than the `dead` one; where another thread has got one already, that one."""
        with self._lock:
            if self._token and self._token != dead:
                return self._token
            return self._fetch()

    def _fetch(self) -> str:
        self._token = ""
        for _ in range(_TOKEN_TRIES):
            answer = self._ask()
            lifetime = float(answer.get("expires_in") or 0)
            if lifetime > 1:
                # The service hands out the same token until its very end, so near it the margin must shrink too.
                self._renew_at = self._context.now() + lifetime - min(RENEW_BEFORE, lifetime / 2)
                self._token = str(answer["access_token"])
                return self._token
            self._context.sleep(lifetime + 1.0)
        raise RetryLater("Marketo issues only tokens that have expired", where="identity", after=5.0)

    def _ask(self) -> Mapping[str, Any]:
        # As a form and not as a query: addresses end up in the logs of proxies.
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
        }
        try:
            reply = self._http.send("POST", self._settings.token_url, form=form, counted=False)
        except NoAnswer as error:
            raise RetryLater(f"no token: {error.what}", where="identity", after=error.after) from error
        answer = reply.json()
        if isinstance(answer, Mapping) and reply.status == 200 and answer.get("access_token"):
            return answer
        raise _sign_in_error(reply, answer)


def _sign_in_error(reply: Reply, answer: Any) -> Exception:
    told = answer if isinstance(answer, Mapping) else {}
    if reply.status in {400, 401, 403} or str(told.get("error", "")) in {"invalid_client", "unauthorized"}:
        return CredentialsError(
            f"Marketo refused the sign-in (HTTP {reply.status}): "
            + redact(str(told.get("error_description") or "no reason given")),
            where=CREDENTIALS,
            fix="In Marketo open Admin, Integration, LaunchPoint, view the custom service's details, "
            "and copy its client id and secret.",
        )
    if reply.status == 404:
        return wrong_address("no identity service (HTTP 404)", Site("identity", writes=False, window=0))
    return RetryLater(f"no token: HTTP {reply.status} {reply.excerpt(100)}", where="identity", after=5.0)


class Client:
    """Makes calls; safe to use from many threads. Every method returns the envelope of a successful call.

    Raises CredentialsError, VendorUnavailable, SpecError (Refused: nothing was executed); RetryLater; and for writes
    NoAnswer where the effect is unknown.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self._http = context.http(settings.base_url, timeout=settings.timeout)
        self._tokens = TokenKeeper(self._http, settings, context)
        self._log = context.log
        self._window = settings.limits.window

    def close(self) -> None:
        self._http.close()

    def connect(self) -> None:
        """Get a token, in one call. Raises CredentialsError, RetryLater."""
        self._tokens.current()

    def read(self, path: str, params: Mapping[str, str] | None = None) -> Envelope:
        """GET `path`; a query too long for an address goes as a form in a POST that stands for the GET."""
        site = Site(path, writes=False, window=self._window)
        try:
            if len(path) + len(urlencode(params or {})) <= MAX_URI:
                return self._call("GET", path, site, params=params or None)
            return self._call("POST", path, site, params={"_method": "GET"}, form=params)
        except NoAnswer as error:
            # A read has no effect that could be unknown.
            raise RetryLater(error.what, where=error.where, why=error.why, after=error.after) from error

    def write(self, path: str, body: bytes) -> Envelope:
        """POST the JSON text `body` to `path`."""
        site = Site(path, writes=True, window=self._window)
        return self._call("POST", path, site, content=body, headers={"Content-Type": "application/json"})

    def _call(self, method: str, path: str, site: Site, **options: Any) -> Envelope:
        """Make the call; where the token died it was not executed and is made once more with a new one."""
        token = self._tokens.current()
        envelope = self._send(method, path, site, token, **options)
        if not envelope["success"] and _reason(envelope).code in REAUTHENTICATE:
            envelope = self._send(method, path, site, self._tokens.after(token), **options)
        if not envelope["success"]:
            raise call_error(_reason(envelope), replace(site, request_id=str(envelope.get("requestId", ""))))
        return envelope

    def _send(
        self,
        method: str,
        path: str,
        site: Site,
        token: str,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Envelope:
        signed = {**(headers or {}), "Authorization": f"Bearer {token}"}
        reply = self._http.send(method, path, headers=signed, **options)
        envelope = _envelope(reply, site)
        # Adobe's support asks for the request id, so it is always noted.
        self._log.debug("marketo %s %s: request id %s", method, path, envelope.get("requestId"))
        return envelope


def _reason(envelope: Envelope) -> Reason:
    """Why a call failed; the first of several reasons."""
    return next(iter(reasons(envelope.get("errors"))), Reason("", "no reason given"))


def _envelope(reply: Reply, site: Site) -> Envelope:
    """The body as an envelope with a boolean `success`; raises where it is none, by the HTTP status."""
    body = reply.json()
    if isinstance(body, Mapping) and isinstance(body.get("success"), bool):
        return body
    told = f"HTTP {reply.status} {reply.excerpt(100)}".strip()
    if reply.status in {413, 414}:
        raise Refused(Reason(str(reply.status), "the request is too large"), site)
    if reply.status in {401, 403}:
        raise call_error(Reason("603", told), site)
    if reply.status == 404:
        raise wrong_address(told, site)
    if reply.status == 429:
        raise RetryLater(f"too many calls: {told}", where=site.endpoint, after=site.window)
    raise unclear(f"no usable answer: {told}", site)
