"""HTTP with a server that means harm: it never comes to an end, or its answer unpacks to more than fits."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from engine.errors import NoAnswer, RetryLater
from engine.http import Http

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
TEXT = b"".join(b'{"number": %d}' % number for number in range(10_000))

Answer = Callable[[socket.socket, threading.Event], None]


@contextmanager
def serving(answer: Answer, callers: int = 1) -> Iterator[str]:
    """A server that answers so many callers in this way; the event is set when the test is over."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server, ThreadPoolExecutor(callers) as pool:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                answer(connection, over)

        for _ in range(callers):
            pool.submit(serve)
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()


@contextmanager
def calling(url: str, timeout: float = 5.0, max_bytes: int = 2**20) -> Iterator[Http]:
    client = Http(url, timeout=timeout, max_bytes=max_bytes, allowed=lambda _: True)
    try:
        yield client
    finally:
        client.close()


def drip(start: bytes, drop: bytes) -> Answer:
    """Send the start, then one drop after the other for ten seconds: more than any test here waits."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(start)
        for _ in range(200):
            if over.wait(0.05):
                return
            connection.sendall(drop)

    return answer


def send(packed: bytes, coding: str, piece: int = 2**16) -> Answer:
    """Send the body in pieces, and say that it is packed in this way."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        asked = connection.recv(65536)
        assert b"\r\naccept-encoding: gzip, deflate\r\n" in asked.lower()
        parts = [packed[start : start + piece] for start in range(0, len(packed), piece)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        connection.sendall(CHUNKED + f"Content-Encoding: {coding}\r\n\r\n".encode() + body + b"0\r\n\r\n")

    return answer


def deflate(content: bytes, window: int) -> bytes:
    packer = zlib.compressobj(wbits=window)
    return packer.compress(content) + packer.flush()


WRAPPED, BARE = zlib.MAX_WBITS, -zlib.MAX_WBITS


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (HEAD, b"X-More: a\r\n"),
        (CHUNKED + b"\r\n", b"1\r\nx\r\n"),
        (CHUNKED + b"\r\n0\r\n", b"X-Trailer: a\r\n"),
    ],
    ids=["status line", "early hints", "head", "body", "trailer"],
)
def test_an_answer_that_drips_ends_at_the_deadline(start: bytes, drop: bytes) -> None:
    began = time.monotonic()
    with serving(drip(start, drop)) as url, calling(url, timeout=0.3) as client:
        with pytest.raises(NoAnswer, match="within the time allowed"):
            client.send("GET", "/")
        assert time.monotonic() - began < 3


def test_a_handshake_that_drips_ends_at_the_deadline_and_nothing_was_sent() -> None:
    began = time.monotonic()
    with serving(drip(b"\x16\x03\x03\x40\x00\x02", b"\0")) as url:
        with calling(url.replace("http:", "https:"), timeout=0.3) as client, pytest.raises(RetryLater) as caught:
            client.send("GET", "/")
        assert time.monotonic() - began < 3
    assert not isinstance(caught.value, NoAnswer)


def test_a_request_that_is_read_in_sips_ends_at_the_deadline() -> None:
    def sip(connection: socket.socket, over: threading.Event) -> None:
        for _ in range(200):
            if over.wait(0.05):
                return
            connection.recv(2**20)

    began = time.monotonic()
    with serving(sip) as url, calling(url, timeout=0.3) as client:
        with pytest.raises(NoAnswer):
            client.send("POST", "/", content=bytes(64 * 2**20))
        assert time.monotonic() - began < 2


def test_each_call_on_a_connection_has_a_time_of_its_own() -> None:
    def answer(connection: socket.socket, over: threading.Event) -> None:
        while connection.recv(65536):
            over.wait(0.15)
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    with serving(answer) as url, calling(url, timeout=0.5) as client:
        assert [client.send("GET", "/").status for _ in range(5)] == [200] * 5


def test_a_call_that_gets_no_connection_in_time_had_no_effect() -> None:
    all_in = threading.Barrier(65)

    def hold(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        all_in.wait(10)
        over.wait(10)

    with calling_and_holding(hold) as (client, url):
        all_in.wait(10)
        with pytest.raises(RetryLater, match="no connection") as caught:
            client.send("GET", f"{url}/one-too-many")
        assert not isinstance(caught.value, NoAnswer)


@contextmanager
def calling_and_holding(hold: Answer) -> Iterator[tuple[Http, str]]:
    """A client whose 64 connections are all in use by calls that have more time than its own."""
    with ThreadPoolExecutor(64) as pool, serving(hold, callers=64) as url, calling(url, timeout=0.2) as client:

        def call() -> None:
            with suppress(NoAnswer):
                client.send("GET", "/", timeout=10)

        for _ in range(64):
            pool.submit(call)
        yield client, url


@pytest.mark.parametrize("piece", [3, 2**16])
@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (TEXT, "identity"),
        (TEXT, ""),
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(TEXT), "GZip "),
        (gzip.compress(TEXT[:1000]) + gzip.compress(b"") + gzip.compress(TEXT[1000:]), "gzip"),
        (deflate(TEXT, WRAPPED), "deflate"),
        (deflate(TEXT, BARE), "deflate"),
    ],
    ids=["identity", "none", "gzip", "capitals", "members", "deflate", "bare deflate"],
)
def test_an_answer_is_unpacked(packed: bytes, coding: str, piece: int) -> None:
    with serving(send(packed, coding, piece)) as url, calling(url) as client:
        assert client.send("GET", "/").body == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_an_empty_answer_is_empty_whatever_its_coding(coding: str) -> None:
    with serving(send(b"", coding)) as url, calling(url) as client:
        assert client.send("GET", "/").body == b""


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (gzip.compress(gzip.compress(TEXT)), "gzip, gzip"),
        (gzip.compress(TEXT), "identity, gzip"),
        (TEXT, "br"),
        (TEXT, "gzip"),
        (TEXT, "deflate"),
        (gzip.compress(TEXT)[:-9], "gzip"),
        (gzip.compress(TEXT)[:-1], "gzip"),
        (gzip.compress(TEXT) + b"and more", "gzip"),
        (deflate(TEXT, WRAPPED)[:-1], "deflate"),
        (deflate(TEXT, BARE)[:-1], "deflate"),
    ],
)
def test_what_cannot_be_unpacked_to_its_end_is_no_answer(packed: bytes, coding: str) -> None:
    with (
        serving(send(packed, coding)) as url,
        calling(url) as client,
        pytest.raises(NoAnswer, match="cannot be unpacked"),
    ):
        client.send("GET", "/")


@pytest.mark.parametrize(
    ("pack", "coding"),
    [
        (lambda content: gzip.compress(gzip.compress(content, 1)), "gzip, gzip"),
        (lambda content: gzip.compress(content, 1), "gzip"),
        (lambda content: deflate(content, WRAPPED), "deflate"),
        (lambda content: deflate(content, BARE), "deflate"),
    ],
    ids=["twice", "gzip", "deflate", "bare deflate"],
)
def test_a_bomb_takes_no_more_memory_than_an_answer_may_have(pack: Callable[[bytes], bytes], coding: str) -> None:
    packed = pack(bytes(64 * 2**20))
    with serving(send(packed, coding)) as url, calling(url, max_bytes=2**20) as client:
        tracemalloc.start()
        try:
            with pytest.raises(NoAnswer):
                client.send("GET", "/")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4 * 2**20


def test_an_answer_may_have_exactly_the_size_allowed() -> None:
    for length, fits in ((5000, True), (5001, False)):
        with serving(send(gzip.compress(b"x" * length), "gzip")) as url, calling(url, max_bytes=5000) as client:
            if fits:
                assert len(client.send("GET", "/").body) == length
            else:
                with pytest.raises(NoAnswer, match="larger than 5000 bytes"):
                    client.send("GET", "/")
