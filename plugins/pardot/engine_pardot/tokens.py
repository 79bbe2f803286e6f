"""Access tokens from Salesforce: fetched on first use, renewed when Pardot refuses one.

Token replies carry no lifetime, so the only sign of an expired token is Pardot refusing it.
Source: developer.salesforce.com/docs/marketing/pardot/guide/authentication
"""

from __future__ import annotations

import threading
from typing import Any

from engine.adapters import Config, Context
from engine.errors import CredentialsError, RetryLater, VendorUnavailable
from engine.http import Http, Reply
from engine_pardot.errors import token_error

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
#: Seconds between the attempts to get a token while the token host is busy or away.
_WAITS = (1.0, 2.0, 4.0)
#: Salesforce's words for one refresh token being used twice at the same moment, the newer text first.
_BUSY = ("already being processed", "expired authorization code")


class Tokens:
    """The current access token. Thread-safe; one thread renews while the others wait for its result."""

    def __init__(self, config: Config, context: Context, http: Http) -> None:
        self._client = {"client_id": config["client_id"], "client_secret": config["client_secret"]}
        self._refresh_token: str = config.get("refresh_token", "")
        self._context = context
        self._http = http
        self._url = str(config["token_url"]).rstrip("/") + TOKEN_PATH
        self._lock = threading.Lock()
        self._current = ""
        self._refusal: CredentialsError | None = None

    def sign_in(self) -> None:
        """Get a new token, whatever happened before. Raises CredentialsError, VendorUnavailable."""
        with self._lock:
            self._refusal = None
            self._fetch()

    def current(self) -> str:
        """Return the token in use, fetching the first one. Raises as `sign_in`."""
        with self._lock:
            if not self._current:
                self._fetch()
            return self._current

    def renew(self, refused: str) -> tuple[str, bool]:
        """Return a token other than the `refused` one, and whether it was fetched just now. Raises as `sign_in`."""
        with self._lock:
            if self._current and self._current != refused:
                return self._current, False
            self._fetch()
            return self._current, True

    def _fetch(self) -> None:
        """Fetch under the lock. A refusal is remembered, so that waiting threads do not each collect another."""
        if self._refusal is not None:
            raise self._refusal
        try:
            self._current = self._granted()
        except CredentialsError as error:
            self._refusal = error
            raise

    def _granted(self) -> str:
        problem = ""
        for wait in (*_WAITS, None):
            token, problem = self._attempt()
            if token:
                return token
            if wait is not None:
                self._context.sleep(wait)
        raise VendorUnavailable(
            f"Salesforce issues no token: {problem}",
            where="destination.config.token_url",
            fix="Check the address, see whether Salesforce reports an outage, then run the same command again.",
        )

    def _attempt(self) -> tuple[str, str]:
        """Ask once: the token, or "" and what stands in the way for now. Raises CredentialsError for a refusal."""
        try:
            reply = self._http.send("POST", self._url, form=self._form(), counted=False)
        except RetryLater as error:
            return "", error.what
        answer = reply.json()
        if reply.status >= 500 or reply.status == 429:
            return "", f"HTTP {reply.status}"
        if 200 <= reply.status < 300:
            return self._accepted(answer), "the answer holds no token"
        _raise_unless_busy(reply, answer, refreshing=bool(self._refresh_token))
        return "", "the refresh token is being used by somebody else at this moment"

    def _form(self) -> dict[str, str]:
        if self._refresh_token:
            return {"grant_type": "refresh_token", "refresh_token": self._refresh_token, **self._client}
        return {"grant_type": "client_credentials", **self._client}

    def _accepted(self, answer: Any) -> str:
        if not isinstance(answer, dict):
            return ""
        rotated = answer.get("refresh_token")
        if self._refresh_token and rotated and rotated != self._refresh_token:
            # With rotation the old token is dead from here on; this process goes on with the new one.
            self._refresh_token = str(rotated)
            self._context.log.warning(
                "Salesforce replaced the refresh token: the configured one no longer works for the next run. "
                "Turn refresh token rotation off in the connected app, or authorise it again."
            )
        return str(answer.get("access_token") or "")


def _raise_unless_busy(reply: Reply, answer: Any, *, refreshing: bool) -> None:
    """Raise CredentialsError for a refusal by the token endpoint; return where asking again can help."""
    if not isinstance(answer, dict) or "error" not in answer:
        raise CredentialsError(
            f"there is no Salesforce sign-in at this address (HTTP {reply.status})",
            where="destination.config.token_url",
            fix="Use the org's own address, https://<my-domain>.my.salesforce.com.",
        )
    error, description = str(answer["error"]), str(answer.get("error_description", ""))
    if error == "invalid_grant" and any(words in description for words in _BUSY):
        return
    raise token_error(error, description, refreshing=refreshing)
