"""Connections that know when a call is over: no step on the network waits longer than what is left of its time.

The HTTP library limits the wait for each piece of an answer. Whoever sends a line of the head every second keeps such a
call for ever; therefore the time is taken from the network stream, underneath everything that reads from it.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

#: Bytes that are written at once. The library gives every packet of a write the whole wait anew.
_SLICE = 16 * 1024
_ERRORS: Mapping[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ReadError: httpx.ReadError,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    httpcore.WriteError: httpx.WriteError,
    httpcore.WriteTimeout: httpx.WriteTimeout,
}
_RAISED = tuple(_ERRORS)


class _Call(threading.local):
    """The call that this thread makes: when it is over, by time.monotonic; None outside a call."""

    ends: float | None = None


_call = _Call()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End every wait for the network in this thread at the latest so many seconds from now."""
    _call.ends = time.monotonic() + seconds
    try:
        yield
    finally:
        _call.ends = None


class Transport(httpx.BaseTransport):
    """Sends requests through a pool of connections, within the `deadline` of the thread. Thread-safe.

    Connections are kept open for `keepalive` seconds. HTTP/1.1; no proxy; nothing is sent twice. Raises what the
    transports of httpx raise: a timeout where the deadline has come.
    """

    def __init__(self, tls: ssl.SSLContext, *, max_connections: int, keepalive: float) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=keepalive,
            network_backend=_Backend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        with _errors_of_httpx():
            response = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _errors_of_httpx():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._system = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._system.connect_tcp(host, port, left, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE):
            self._stream.write(buffer[start : start + _SLICE], _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(timeout: float | None, over: type[httpcore.TimeoutException]) -> float | None:
    """Seconds that a step may wait; raises `over` where the call has none left."""
    if _call.ends is None:
        return timeout
    left = _call.ends - time.monotonic()
    if left <= 0:
        raise over("the time of the call is over")
    return left if timeout is None else min(timeout, left)


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    try:
        yield
    except _RAISED as error:
        raise _ERRORS[type(error)](str(error)) from error
