"""HTTP for every adapter: deadlines, size caps, redaction, retry, limits and the guard against internal addresses.

This module, with the transport below it, is the only one that knows the HTTP library. It turns every way a call can go
wrong into the three that matter: the call had no effect (`RetryLater`), its effect is unknown (`NoAnswer`), or there is
an answer (`Reply`), whatever its status says.
"""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from io import BytesIO
from typing import Any

import httpx
import orjson

from engine.addresses import Address, is_loopback, is_public
from engine.errors import NoAnswer, RetryLater, SpecError
from engine.limits import Gate, OpenGate
from engine.pinning import PinnedHost, Resolve, resolve
from engine.redaction import redact
from engine.transport import Transport, deadline

# It writes whole URLs at level INFO, and some providers want their key in the URL.
logging.getLogger("httpx").disabled = True
_LOG = logging.getLogger("engine")

#: Names and values of headers as RFC 9110 has them, section 5.1 and 5.5; values may hold any character of Latin-1.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(rb"(?:[^\0\s]+(?:[ \t]+[^\0\s]+)*)?")
#: They say where a request goes and where it ends, so they follow from the call.
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding"})
#: orjson reads documents that are deeper than those it writes: what cannot be written cannot be stored.
_DEEPEST = 254
#: Bytes that one step of unpacking may yield: what a packed kilobyte becomes has no other bound.
_STEP = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, lower-case headers and the body as bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type in lower case without its parameters, such as application/json; "" where none is given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON, or None where it is empty, no JSON, or nested more than 254 deep.

        NaN and Infinity are no JSON; of a key that is there twice, the last value counts.
        """
        try:
            value = orjson.loads(self.body)
            if self.body.count(b"[") + self.body.count(b"{") > _DEEPEST:
                orjson.dumps(value)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            return None
        return value

    def excerpt(self, length: int = 200) -> str:
        """The start of the body as text without secrets, for messages."""
        return redact(self.body[: length * 4].decode("utf-8", "replace"))[:length]


@dataclass(frozen=True, slots=True)
class _Origin:
    """A scheme, host and port with connections of its own: no two names share one, even where they share an address."""

    host: PinnedHost
    client: httpx.Client

    def request(self, method: str, url: httpx.URL, address: str, options: Mapping[str, Any]) -> httpx.Request:
        """A request to this address of the host; TLS asks for the host's name and verifies it."""
        if address == self.host.host:
            return self.client.build_request(method, url, **options)
        extensions = {"sni_hostname": self.host.host}
        # Built with the name, for the header Host; the address then takes its place in the URL alone.
        request = self.client.build_request(method, url, extensions=extensions, **options)
        request.url = request.url.copy_with(host=address)
        return request


class Http:
    """A client for one base URL. Thread-safe; connections are kept open and shared by the calls to one origin.

    timeout: seconds for a call. max_bytes: the largest answer, unpacked. tls: None is a context with the usual
    authorities. resolve: host and port to addresses. allowed: whether an address may be connected to.
    clock: seconds that never go back, by which addresses age.
    """

    def __init__(
        self,
        base_url: str,
        *,
        gate: Gate | None = None,
        timeout: float = 30.0,
        max_bytes: int = 32 * 2**20,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        allowed: Callable[[Address], bool] = is_public,
        clock: Callable[[], float] = time.monotonic,
        log: logging.Logger = _LOG,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._gate: Gate = gate or OpenGate()
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._tls = tls
        self._resolve = resolve
        self._allowed = allowed
        self._clock = clock
        self._log = log
        self._origins: dict[tuple[str, bytes, int | None], _Origin] = {}
        self._lock = threading.Lock()
        _parse(self.base_url)

    def close(self) -> None:
        with self._lock:
            for origin in self._origins.values():
                origin.client.close()

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
        VendorUnavailable where the gate refuses, SpecError for a forbidden address or header.
        """
        address = path if "://" in path else self.base_url + path
        where = f"{method} {redact(address)}"
        url = _parse(address)
        merged = _encode_headers(headers or {}, where)
        if json is not None:
            content = orjson.dumps(json)
            if not any(name.lower() == b"content-type" for name in merged):
                merged[b"Content-Type"] = b"application/json"
        options: dict[str, Any] = {
            "headers": merged,
            "params": params,
            "content": content,
            "data": form,
            "files": files,
        }
        if timeout is not None:
            options["timeout"] = timeout
        origin = self._origin(url)
        pinned = origin.host.address()
        try:
            request = origin.request(method, url, pinned, options)
        except httpx.InvalidURL as error:
            raise SpecError(f"the parameters make no address: {error}", where=where) from error
        with self._gate.call(counted=counted):
            started = time.monotonic()
            try:
                reply = self._read(origin.client, request, where, self._timeout if timeout is None else timeout)
            except RetryLater as error:
                self._log_call(method, url, started, None)
                if not isinstance(error, NoAnswer):
                    origin.host.failed(pinned)
                self._gate.report(healthy=False)
                raise
            self._gate.report(healthy=reply.status < 500)
            self._log_call(method, url, started, reply.status)
            return reply

    def _log_call(self, method: str, url: httpx.URL, started: float, status: int | None) -> None:
        """Log a call by its host alone: paths and parameters may hold whom it is about, and keys."""
        if self._log.isEnabledFor(logging.DEBUG):
            fields = {"method": method, "host": url.host, "seconds": round(time.monotonic() - started, 3)}
            said = "a call was not answered" if status is None else "a call was answered"
            self._log.debug(said, extra={**fields, "http_status": status})

    def _read(self, client: httpx.Client, request: httpx.Request, where: str, allowed: float) -> Reply:
        try:
            with deadline(allowed), closing(client.send(request, stream=True)) as response:
                body = BytesIO()
                for part in _unpack(response.iter_raw(), response.headers.get("content-encoding", "")):
                    if body.tell() + len(part) > self._max_bytes:
                        raise NoAnswer(f"the answer is larger than {self._max_bytes} bytes", where=where)
                    body.write(part)
                return Reply(response.status_code, dict(response.headers), body.getvalue())
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RetryLater(f"no connection: {_reason(error)}", where=where, after=2.0) from error
        except httpx.TimeoutException as error:
            raise NoAnswer("no answer within the time allowed", where=where, after=5.0) from error
        except httpx.TransportError as error:
            raise NoAnswer(f"the connection broke: {_reason(error)}", where=where, after=2.0) from error
        except zlib.error as error:
            raise NoAnswer(f"the answer cannot be unpacked: {_reason(error)}", where=where, after=2.0) from error

    def _origin(self, url: httpx.URL) -> _Origin:
        key = (url.scheme, url.raw_host, url.port)
        with self._lock:
            if key not in self._origins:
                host = PinnedHost(
                    url.raw_host.decode("ascii"),
                    url.port or (443 if url.scheme == "https" else 80),
                    resolve=self._resolve,
                    allowed=self._allowed,
                    clock=self._clock,
                )
                self._origins[key] = _Origin(host, self._client())
            return self._origins[key]

    def _client(self) -> httpx.Client:
        return httpx.Client(
            timeout=httpx.Timeout(self._timeout, connect=min(self._timeout, 10.0)),
            transport=Transport(self._tls or _tls(), max_connections=64, keepalive=5.0),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "lead-engine", "Accept-Encoding": "gzip, deflate"},
            # A cookie of one call must not decide what another call, maybe for another account, gets.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )


@cache
def _tls() -> ssl.SSLContext:
    """One TLS context for all clients: building it takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)


def _unpack(parts: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Undo the content coding of a body in small steps; raises zlib.error for what cannot be undone.

    One coding at most: gzip or deflate, RFC 9110, section 8.4.1. A body of several would need a cap for each.
    """
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        yield from parts
        return
    unpacker = None
    for part in parts:
        packed = part
        while packed:
            if unpacker is None or unpacker.eof:
                unpacker = zlib.decompressobj(_window(coding, packed[0]))
            yield unpacker.decompress(packed, _STEP)
            packed = unpacker.unconsumed_tail or unpacker.unused_data
    while unpacker and not unpacker.eof:
        rest = unpacker.decompress(b"", _STEP)
        if not rest and not unpacker.eof:
            raise zlib.error("it ends too early")
        yield rest


def _window(coding: str, first: int) -> int:
    """What zlib must be told to read this coding."""
    if coding == "gzip":
        return zlib.MAX_WBITS | 16
    if coding != "deflate":
        raise zlib.error(f"its coding is {coding[:40]!r}, where gzip or deflate was asked for")
    # Some servers leave out the wrapping that deflate has in HTTP. Only with it does the first byte end in these bits.
    return zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS


def _reason(error: Exception) -> str:
    return redact(str(error)) or type(error).__name__


def _parse(address: str) -> httpx.URL:
    """Read the address as the HTTP library does, so that what is checked is what is called."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise SpecError(f"{_without_user(address)!r} is no address: {error}") from error
    if url.port is not None and not 0 <= url.port < 2**16:
        raise SpecError(f"{_without_user(address)!r} is no address: there is no port {url.port}")
    if url.userinfo:
        raise SpecError("a URL must not hold a user name or password", where=_without_user(address))
    if url.scheme == "https" and url.host:
        return url
    if url.scheme == "http" and is_loopback(url.host):
        return url
    raise SpecError(
        f"{redact(address)!r} is not an https address",
        why="credentials and personal data are sent there",
        fix="Use https://…; plain http is allowed for a sandbox on this machine only.",
    )


def _without_user(address: str) -> str:
    return redact(address.rsplit("@", maxsplit=1)[-1])


def _encode_headers(headers: Mapping[str, str], where: str) -> dict[bytes, bytes]:
    """Check the headers of a caller; a value may be a secret, so that no error shows one."""
    encoded: dict[bytes, bytes] = {}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise SpecError(f"{redact(name)!r} is no name of a header", where=where)
        if name.lower() in _OWN_HEADERS:
            raise SpecError(f"the header {name} cannot be set: it follows from the call", where=where)
        raw = value.encode("latin-1", "replace")
        if raw.decode("latin-1") != value or not _HEADER_VALUE.fullmatch(raw):
            raise SpecError(
                f"the header {name} has a value that cannot be sent",
                where=where,
                why="it has a line break, a NUL, a blank at one of its ends, or a character outside Latin-1",
            )
        encoded[name.encode("ascii")] = raw
    return encoded
