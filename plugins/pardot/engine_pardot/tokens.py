"""Access tokens from Salesforce, by a signed assertion, a refresh token or client credentials.

Token replies carry no lifetime, so the only sign of an expired token is Pardot refusing it.
Source: developer.salesforce.com/docs/marketing/pardot/guide/authentication
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import tokens
from engine.adapters import Config, Context
from engine.errors import SpecError
from engine.http import Http
from engine.redaction import remember_secret
from engine_pardot.config import SignIn
from engine_pardot.oauth import SCOPE, Busy, ask

_SETTING = "refresh_token"
#: Seconds between the attempts while the refresh token is in use elsewhere.
_WAITS = (1.0, 2.0, 4.0)
#: Seconds for which an assertion is good; Salesforce takes none that lasts longer than some minutes.
_ASSERTION_LASTS = 180
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Tokens(tokens.Tokens):
    """The access token of one sign-in. Raises SpecError where the settings do not say how to sign in."""

    def __init__(self, config: Config, context: Context, http: Http) -> None:
        self._sign_in = SignIn.read(config)
        self._context = context
        self._http = http
        #: The refresh token in use, and the one last seen where the spec keeps it: they differ where a new one could
        #: not be written back.
        self._refresh_token = self._stored = self._sign_in.refresh_token
        if self._sign_in.flow == "jwt":
            self._assertion()  # so that a key which cannot sign is refused before anything is sent
        super().__init__(
            self._granted,
            context.now,
            vendor="Pardot",
            fix=f"Add the scope `{SCOPE}` to the connected app, and sync its user into the business unit.",
        )

    def _granted(self) -> tokens.Token:
        """Get a token. Raises CredentialsError naming the setting to correct; RetryLater."""
        if self._sign_in.flow == "refresh":
            # One at a time, in all processes: with rotation a refresh token that is used twice is dead.
            with self._context.secrets.lock(_SETTING):
                return self._refreshed()
        if self._sign_in.flow == "jwt":
            form = {"grant_type": _JWT_BEARER, "assertion": self._assertion()}
        else:
            form = {
                "grant_type": "client_credentials",
                "client_id": self._sign_in.client_id,
                "client_secret": self._sign_in.client_secret,
            }
        return _token(ask(self._http, self._sign_in.token_url, form, flow=self._sign_in.flow))

    def _refreshed(self) -> tokens.Token:
        """Refresh under the lock; what uses the refresh token outside of it is waited out."""
        for wait in _WAITS:
            try:
                return self._refresh()
            except Busy:
                self._context.sleep(wait)
        return self._refresh()

    def _refresh(self) -> tokens.Token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._latest(),
            "client_id": self._sign_in.client_id,
            "client_secret": self._sign_in.client_secret,
        }
        sent = {key: value for key, value in form.items() if value}  # not every app has the secret asked for here
        answer = ask(self._http, self._sign_in.token_url, sent, flow="refresh")
        self._keep(str(answer.get("refresh_token") or ""))
        return _token(answer)

    def _latest(self) -> str:
        """The refresh token to use: another process may have replaced the stored one since it was read."""
        stored = self._context.secrets.read(_SETTING)
        if stored and stored != self._stored:
            self._refresh_token = self._stored = stored
        return self._refresh_token

    def _keep(self, new: str) -> None:
        """Write a replaced refresh token back before the old one is forgotten."""
        if not new or new == self._refresh_token:
            return
        remember_secret(new)
        if self._context.secrets.write(_SETTING, new):
            self._stored = new
        else:
            self._context.log.warning(
                "Salesforce replaced the refresh token, and the new one cannot be written back: this run goes on with "
                "it, but the configured one no longer works for the next. Keep it where it can be written, as "
                "`refresh_token: {file: …}` or `{keyring: …}`, and run `engine pardot login` again; or turn refresh "
                "token rotation off in the connected app."
            )
        self._refresh_token = new

    def _assertion(self) -> str:
        """A signed statement of who signs in where. Raises SpecError where the key cannot sign it."""
        import jwt

        claims = {
            "iss": self._sign_in.client_id,
            "sub": self._sign_in.username,
            "aud": self._sign_in.token_url,
            "exp": int(self._context.now()) + _ASSERTION_LASTS,
        }
        try:
            return jwt.encode(claims, self._sign_in.private_key, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise SpecError(
                "the private key cannot sign",
                where="destination.config.private_key",
                why="it must be an RSA private key in PEM form that is not encrypted",
                fix="Refer to the key whose certificate was uploaded to the connected app; "
                "`openssl rsa -in KEY -out FILE` takes a passphrase off.",
            ) from error


def _token(answer: Mapping[str, Any]) -> tokens.Token:
    return tokens.Token(str(answer["access_token"]))
