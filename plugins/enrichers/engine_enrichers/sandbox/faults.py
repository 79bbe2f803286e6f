"""How answers are spoilt on purpose, and the headers by which providers tell what their limits leave."""

from __future__ import annotations

import gzip
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache
from http.server import BaseHTTPRequestHandler
from typing import Any

from engine.testing.server import Response
from engine_enrichers.sandbox.files import Stub

#: html: a page with status 200. huge: 64 MB of JSON in a few kilobytes of gzip. drip: a byte at a time.
SPOILT = ("html", "huge", "drip")
DRIP_SECONDS = 0.05
_PAGE = "<!doctype html><html><body><h1>Just a moment...</h1></body></html>"


def spoilt(response: Response, how: str) -> Response:
    """The response, spoilt; one that drips is only marked here, see `dripping`."""
    if how == "html":
        return Response(200, _PAGE, {"Content-Type": "text/html; charset=utf-8"})
    if how == "huge":
        return Response(200, _bomb(), {"Content-Encoding": "gzip"})
    return response


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    return gzip.compress(b'{"data": "' + b" " * (64 * 2**20) + b'"}', 1)


def dripping(handler: type[BaseHTTPRequestHandler], state: threading.local) -> type[BaseHTTPRequestHandler]:
    """The handler, which writes a byte every `state.seconds` where these are set for the answer under way."""

    class Dripping(handler):  # type: ignore[valid-type, misc]
        def setup(self) -> None:
            super().setup()
            self.wfile: Any = _Dripper(self.wfile, state)

    return Dripping


class _Dripper:
    """Writes as the file does, or drop by drop."""

    def __init__(self, file: Any, state: threading.local) -> None:
        self._file = file
        self._state = state

    def write(self, data: bytes) -> int:
        seconds = getattr(self._state, "seconds", 0.0)
        if not seconds or data.startswith(b"HTTP/"):
            return int(self._file.write(data))
        self._state.seconds = 0.0
        for byte in data:
            self._file.write(bytes([byte]))
            self._file.flush()
            time.sleep(seconds)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def with_limits(stub: Stub, response: Response, left: int, seconds: float, now: float) -> Response:
    """The response with the headers that the file reads its limits from."""
    headers = stub.data["limits"].get("headers") or {}
    told = {}
    if name := headers.get("remaining"):
        told[name] = str(left)
    if name := headers.get("reset"):
        moment = datetime.fromtimestamp(now + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        forms = {"seconds": str(round(seconds)), "epoch": str(round(now + seconds)), "iso": moment}
        told[name] = forms[headers.get("as", "seconds")]
    lower = {name.lower() for name in told}
    kept = {name: text for name, text in response.headers.items() if name.lower() not in lower}
    return Response(response.status, response.body, {**kept, **told})
