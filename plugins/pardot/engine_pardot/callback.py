"""The address on this machine that the browser comes back to, once, with the code that Salesforce gave it."""

from __future__ import annotations

import hmac
import html
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

from engine.errors import CredentialsError, EnvironmentFault
from engine.redaction import redact, remember_secret

CALLBACK = "/callback"
#: Seconds that a connection has to say what it wants.
_CONNECTION_PATIENCE = 5.0


class Listener(HTTPServer):
    """Listens on loopback until a browser has come to the callback address with the `state` that it was sent with."""

    #: Two commands must not share a port, or one would get the other's code.
    allow_reuse_port = False

    def __init__(self, port: int, state: str) -> None:
        super().__init__(("127.0.0.1", port), _Callback)
        self._state = state
        self._came: str | CredentialsError | None = None

    def wait(self, patience: float) -> str:
        """Return the code that the browser brings within `patience` seconds.

        Raises CredentialsError where it brings something else, EnvironmentFault where it does not come.
        """
        deadline = time.monotonic() + patience
        while self._came is None:
            self.timeout = deadline - time.monotonic()
            if self.timeout <= 0:
                raise EnvironmentFault(
                    f"the browser did not come back within {patience:g} seconds",
                    fix="Run the same command again, and open the address on this machine.",
                )
            self.handle_request()
        if isinstance(self._came, CredentialsError):
            raise self._came
        return self._came

    def arrived(self, brought: Mapping[str, str]) -> str:
        """Take what a browser brought; return what is wrong with it, or ''."""
        try:
            self._came = _code(brought, self._state)
        except CredentialsError as error:
            self._came = error
            return error.what
        return ""

    def handle_error(self, request: object, client_address: object) -> None:
        """Do nothing: a connection that breaks is none that brings the code."""


class _Callback(BaseHTTPRequestHandler):
    timeout = _CONNECTION_PATIENCE
    server: Listener

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != CALLBACK:
            self.send_error(404)
            return
        wrong = self.server.arrived(dict(parse_qsl(parts.query)))
        said = f"Not authorised: {wrong}." if wrong else "Authorised. Go back to the terminal; this page can be closed."
        page = f"<!doctype html><title>Lead Engine</title><p>{html.escape(said)}</p>".encode()
        self.send_response(400 if wrong else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: the request line holds the code."""


def listening(port: int, state: str) -> Listener:
    """Listen on `port`, 0 for any. Raises EnvironmentFault where it is taken."""
    try:
        return Listener(port, state)
    except OSError as error:
        raise EnvironmentFault(
            f"port {port} of this machine cannot be listened on: {error.strerror}",
            where="--port",
            fix="End what uses it, or choose another with --port and add its callback address to the connected app.",
        ) from error


def _code(brought: Mapping[str, str], state: str) -> str:
    if not hmac.compare_digest(brought.get("state", "").encode(), state.encode()):
        raise CredentialsError(
            "the browser came back with another state than it was sent away with",
            why="the address that was opened is of an older command, or somebody else made the browser come here",
            fix="Run the same command again, and open the address that it prints.",
        )
    if brought.get("error") == "invalid_scope":
        raise CredentialsError(
            f"the connected app lacks a scope: {redact(brought.get('error_description') or 'invalid_scope')}",
            where="--client-id",
            fix="Give the connected app the scopes pardot_api and refresh_token (offline_access), wait some minutes, "
            "and run the same command again.",
        )
    if error := brought.get("error"):
        raise CredentialsError(
            f"the connected app was not authorised: {redact(brought.get('error_description') or error)}",
            why=redact(error),
            fix="Run the same command again, and allow the access as a user who may use the app.",
        )
    code = brought.get("code", "")
    if not code:
        raise CredentialsError(
            "the browser came back without a code", fix="Run the same command again, and see what Salesforce shows."
        )
    remember_secret(code)
    return code
