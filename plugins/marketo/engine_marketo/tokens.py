"""Access tokens: issued by the identity service, kept until shortly before their end, replaced when refused.

Identity calls are free of the vendor's quota, so they are not counted.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/authentication
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

from engine.adapters import Context
from engine.errors import CredentialsError, EngineError, NoAnswer, RetryLater
from engine.http import Http, Reply
from engine.redaction import redact
from engine_marketo.config import Settings
from engine_marketo.errors import CREDENTIALS, Site, wrong_address

#: Seconds before its end at which a token is no longer used.
RENEW_BEFORE = 60.0
#: How often a dying token is waited out before the caller is sent away.
_TOKEN_TRIES = 5
#: After this many calls in a row that were refused with a new token too, the credentials are at fault. Of calls that
#: are under way together only one counts, so they are these seconds apart.
_REFUSALS = 5
_APART = 1.0
_WHERE = "identity"


class Tokens:
    """Holds the access token; it is fetched by one thread at a time while the others wait for it. Thread-safe."""

    def __init__(self, http: Http, settings: Settings, context: Context) -> None:
        self._http = http
        self._settings = settings
        self._context = context
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._scope = ""
        self._refusals = 0
        self._refused_at = 0.0

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

    @property
    def scope(self) -> str:
        """The API user that the token was issued for, as the identity service names it."""
        return self._scope

    def accepted(self) -> None:
        """A call was let in."""
        self._refusals = 0

    def refused(self, error: EngineError) -> EngineError:
        """A call was refused with a new token too, which is `error`. Return what to raise for it.

        Tokens are revoked, and replaced elsewhere, at any time; only when it goes on is the service itself at fault.
        """
        with self._lock:
            now = self._context.now()
            if not self._refusals or abs(now - self._refused_at) >= _APART:
                self._refusals += 1
                self._refused_at = now
            if self._refusals < _REFUSALS:
                return error
        return CredentialsError(
            f"Marketo does not accept the tokens that it issues: {error.what}",
            where=error.where,
            why=f"{_REFUSALS} calls in a row were refused with a new token",
            fix=f"See in Marketo whether the custom service of {CREDENTIALS} is still active.",
        )

    def _fetch(self) -> str:
        self._token = ""
        for _ in range(_TOKEN_TRIES):
            answer = self._ask()
            lifetime = _seconds(answer.get("expires_in"))
            if lifetime > 1:
                # The service hands out the same token until its very end, so near it the margin must shrink too.
                self._renew_at = self._context.now() + lifetime - min(RENEW_BEFORE, lifetime / 2)
                self._token, self._scope = str(answer["access_token"]), str(answer.get("scope") or "")
                return self._token
            self._context.sleep(lifetime + 1.0)
        raise RetryLater("Marketo issues only tokens that have expired", where=_WHERE, after=5.0)

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
            raise RetryLater(f"no token: {error.what}", where=_WHERE, after=error.after) from error
        answer = reply.json()
        if isinstance(answer, Mapping) and reply.status == 200 and answer.get("access_token"):
            return answer
        raise _sign_in_error(reply, answer if isinstance(answer, Mapping) else {})


def _seconds(given: Any) -> float:
    """The lifetime of a token; one that cannot be read is taken for none."""
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _sign_in_error(reply: Reply, told: Mapping[str, Any]) -> EngineError:
    if reply.status == 401 or str(told.get("error", "")) in {"invalid_client", "unauthorized"}:
        return CredentialsError(
            f"Marketo refused the sign-in (HTTP {reply.status}): "
            + redact(str(told.get("error_description") or "no reason given")),
            where=CREDENTIALS,
            fix="In Marketo open Admin, Integration, LaunchPoint, view the custom service's details, "
            "and copy its client id and secret.",
        )
    if reply.status == 404:
        return wrong_address("no identity service (HTTP 404)", Site(_WHERE, writes=False, window=0))
    return RetryLater(f"no token: HTTP {reply.status} {reply.excerpt(100)}", where=_WHERE, after=5.0)
