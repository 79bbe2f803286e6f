"""HTTP for every adapter: deadlines, size caps, redaction, retry, limits and the guard against internal addresses.

This is the only module that knows the HTTP library. It turns every way a call can go wrong into the three that matter:
the call had no effect (`RetryLater`), its effect is unknown (`NoAnswer`), or there is an answer (`Reply`), whatever its
status says.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from engine.addresses import is_loopback
from engine.errors import NoAnswer, RetryLater, SpecError
from engine.limits import Gate, OpenGate
from engine.redaction import redact


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, lower-case headers and the body as bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, or None where it is empty or no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def excerpt(self, length: int = 200) -> str:
        """The start of the body as text without secrets, for messages."""
        return redact(self.body[: length * 4].decode("utf-8", "replace"))[:length]


class Http:
    """A client for one base URL. Thread-safe; connections are kept open and shared."""

    def __init__(
        self,
        base_url: str,
        *,
        gate: Gate | None = None,
        timeout: float = 30.0,
        max_bytes: int = 32 * 2**20,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._gate: Gate = gate or OpenGate()
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._checked: set[str] = set()
        self._lock = threading.Lock()
        _check_scheme(self.base_url)
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0), pool=None),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            follow_redirects=False,
            trust_env=False,
            verify=_tls(),
            headers={"User-Agent": "lead-engine"},
        )

    def close(self) -> None:
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        counted: bool = True,
        timeout: float | None = None,
    ) -> Reply:
        """Make one call and return its reply, whatever the status.

        `path` is joined to the base URL, or is an absolute URL of its own. `params` as pairs may name one parameter
        several times. `files` are the parts of a multipart body, after those of `form`: by name of the part, the file's
        name, its content and its type. A call that is not `counted` takes no place in the rate window or the quota.
        Raises RetryLater where the call never went out, NoAnswer where it did and no whole answer came back,
        VendorUnavailable where the gate refuses, SpecError for a forbidden address.
        """
        url = path if "://" in path else self.base_url + path
        self._check_host(url)
        merged = dict(headers or {})
        if json is not None:
            content = orjson.dumps(json)
            merged.setdefault("Content-Type", "application/json")
        options: dict[str, Any] = {
            "headers": merged,
            "params": params,
            "content": content,
            "data": form,
            "files": files,
        }
        if timeout is not None:
            options["timeout"] = timeout
        with self._gate.call(counted=counted):
            try:
                reply = self._read(method, url, options)
            except (RetryLater, httpx.HTTPError):
                self._gate.report(healthy=False)
                raise
            self._gate.report(healthy=reply.status < 500)
            return reply

    def _read(self, method: str, url: str, options: Mapping[str, Any]) -> Reply:
        where = f"{method} {redact(url)}"
        allowed = options.get("timeout", self._timeout)
        deadline = time.monotonic() + allowed
        try:
            with self._client.stream(method, url, **options) as response:
                parts: list[bytes] = []
                size = 0
                for part in response.iter_bytes():
                    size += len(part)
                    if time.monotonic() > deadline:
                        raise NoAnswer(f"no whole answer within {allowed:g} seconds", where=where, after=5.0)
                    if size > self._max_bytes:
                        raise NoAnswer(f"the answer is larger than {self._max_bytes} bytes", where=where)
                    parts.append(part)
                return Reply(response.status_code, dict(response.headers), b"".join(parts))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RetryLater(f"no connection: {_reason(error)}", where=where, after=2.0) from error
        except httpx.TimeoutException as error:
            raise NoAnswer("no answer within the time allowed", where=where, after=5.0) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise NoAnswer(f"the connection broke: {_reason(error)}", where=where, after=2.0) from error

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            if key in self._checked:
                return
        _check_scheme(url)
        _check_address(url)
        with self._lock:
            self._checked.add(key)


@cache
def _tls() -> ssl.SSLContext:
    """One TLS context for all clients: building it takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)


def _reason(error: Exception) -> str:
    return redact(str(error)) or type(error).__name__


def _check_scheme(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise SpecError(f"{redact(url)!r} is no address: {error}") from error
    host = parts.hostname or ""
    if parts.username or parts.password:
        raise SpecError("a URL must not hold a user name or password", where=redact(url.rsplit("@", maxsplit=1)[-1]))
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and is_loopback(host):
        return
    raise SpecError(
        f"{redact(url)!r} is not an https address",
        why="credentials and personal data are sent there",
        fix="Use https://…; plain http is allowed for a sandbox on this machine only.",
    )


def _check_address(url: str) -> None:
    """Refuse a public-looking name that leads to an internal address (a redirected or mistyped host)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return
    try:
        found = socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise SpecError(f"{host!r} is no host name") from error
    except OSError as error:
        raise RetryLater(f"the host {host!r} is not known: {error.strerror}", where=host, after=5.0) from error
    for *_, address in found:
        if not ipaddress.ip_address(str(address[0]).split("%")[0]).is_global:
            raise SpecError(
                f"{host!r} leads to the internal address {address[0]}",
                fix="Use the vendor's public host name.",
            )
