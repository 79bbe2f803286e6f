"""Access tokens as Marketo's identity service issues them: one for all who sign in alike, until its end.

Identity calls are free of the vendor's quota, so they are not counted.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/authentication
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.adapters import Context
from engine.errors import CredentialsError, EngineError, NoAnswer, RetryLater
from engine.http import Http, Reply
from engine.redaction import redact
from engine.tokens import Token, Tokens
from engine_marketo.config import Settings
from engine_marketo.errors import CREDENTIALS, Site, wrong_address

#: How often a dying token is waited out before the caller is sent away.
_TOKEN_TRIES = 5
_WHERE = "identity"


class Identity:
    """Marketo's identity service, which issues tokens to the custom service of the settings."""

    def __init__(self, http: Http, settings: Settings, context: Context) -> None:
        self._http = http
        self._settings = settings
        self._context = context
        self._scope = ""

    def tokens(self) -> Tokens:
        """The keeper of the tokens that this service issues."""
        return Tokens(
            self.issue,
            self._context.now,
            vendor="Marketo",
            fix=f"See in Marketo whether the custom service of {CREDENTIALS} is still active.",
        )

    @property
    def scope(self) -> str:
        """The API user that the last token was issued for."""
        return self._scope

    def issue(self) -> Token:
        """Get a living token. Raises CredentialsError; RetryLater where the service does not answer properly."""
        for _ in range(_TOKEN_TRIES):
            answer = self._ask()
            lifetime = _seconds(answer.get("expires_in"))
            if lifetime > 1:
                self._scope = str(answer.get("scope") or "")
                return Token(str(answer["access_token"]), lifetime)
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
