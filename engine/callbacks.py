"""Takes the answers that providers post while a run lasts: kept in the state before the post is acknowledged."""

from __future__ import annotations

import io
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from engine.adapters import Enricher
from engine.errors import EnvironmentFault
from engine.redaction import redact, remember_secret
from engine.state.callbacks import Callbacks

#: No answer of a provider is larger (bytes).
MOST_BYTES = 8 * 2**20
#: Seconds that a sender has for the whole of its post.
_PATIENCE = 30.0
#: Posts that are taken at once; each can be as large as MOST_BYTES.
_MOST_AT_ONCE = 64

_log = logging.getLogger("engine")


class CallbackServer:
    """The `Inbox` of a run, with a small HTTP server behind it.

    `listen` is the local address ("127.0.0.1:8790"), `url` the public one that leads there: a provider posts to
    URL/PROVIDER/TOKEN. The token stays the same for as long as the state lives, so that a later run takes late posts.
    """

    def __init__(self, kept: Callbacks, listen: str, url: str, now: Callable[[], float] = time.time) -> None:
        self._kept = kept
        self._host, _, port = listen.rpartition(":")
        self._port = int(port)
        self._url = url.rstrip("/")
        self._now = now
        self._tokens: dict[str, str] = {}
        self._paths: dict[str, Sequence[Enricher]] = {}
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    # The inbox --------------------------------------------------------------------------------------------------

    def address(self, provider: str) -> str:
        if provider not in self._tokens:
            token = self._kept.token(provider)
            remember_secret(token)  # a provider may repeat in an error what it was to post to
            self._tokens[provider] = token
        return f"{self._url}/{provider}/{self._tokens[provider]}"

    def answer(self, provider: str, ticket: str) -> bytes | None:
        body = self._kept.body(provider, ticket)
        return None if body is None else body.encode()

    # The server -------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port that is listened on; 0 in `listen` takes a free one."""
        return self._port if self._server is None else int(self._server.server_address[1])

    def start(self, enrichers: Sequence[Enricher]) -> None:
        """Take the posts of these enrichers from now on. Raises EnvironmentFault where the address is not free."""
        for enricher in enrichers:
            path = urlsplit(self.address(enricher.name)).path
            self._paths[path] = [*self._paths.get(path, ()), enricher]
        try:
            self._server = _Server((self._host, self._port), _handler(self))
        except OSError as error:
            raise EnvironmentFault(
                f"cannot listen for posted answers on {self._host}:{self._port}: {error.strerror or error}",
                fix="End what listens there, or name another port in `enrichment.callbacks.listen`.",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more. A post that was not acknowledged yet is the sender's to repeat."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def knows(self, path: str) -> str | None:
        """The path that a request is meant for, compared in constant time; None where there is no such."""
        given = path.encode()
        return next((known for known in self._paths if secrets.compare_digest(known.encode(), given)), None)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Store a post to a known path; returns the HTTP status: 200 once it is durable, 403 where nobody owns it."""
        for enricher in self._paths[path]:
            try:
                ticket = enricher.ticket_of(headers, body)
                text = body.decode()
            except ValueError as error:
                _log.warning("%s: a post was refused: %s", enricher.name, redact(str(error)))
                continue
            self._kept.keep(enricher.name, ticket, text, self._now())
            return 200
        return 403


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A provider that ends a batch posts its results all at once.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._places = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)  # the sender posts again
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that goes away in mid-post posts again; it is not worth a traceback."""


class _Arriving(io.RawIOBase):
    """What a sender sends, until its time is over: one that drips holds its place no longer than any other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._end = time.monotonic() + _PATIENCE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def _handler(inbox: CallbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE

        def setup(self) -> None:
            super().setup()
            self.rfile.close()
            self.rfile = io.BufferedReader(_Arriving(self.connection))

        def do_POST(self) -> None:
            self._end(self._status())

        def do_GET(self) -> None:
            self._end(404)

        def _status(self) -> int:
            path = inbox.knows(urlsplit(self.path).path)
            length = self.headers.get("Content-Length", "")
            if path is None:
                return 404
            if not length.isdecimal():
                return 411
            if int(length) > MOST_BYTES:
                return 413
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                return 400
            try:
                return inbox.take(path, headers, body)
            except Exception:
                # Whatever is wrong here, the answer must not be lost: the sender keeps it and posts it again.
                _log.exception("a posted answer could not be stored")
                return 500

        def _end(self, status: int) -> None:
            self.close_connection = True
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def version_string(self) -> str:
            return "lead-engine"

        def log_message(self, format: str, *args: Any) -> None:
            """The path has the token in it: requests are not logged."""

    return Handler
