"""Pinned hosts: a connection is made to an address that was checked, and TLS verifies the name."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from engine.errors import RetryLater, SpecError
from engine.http import Http
from engine.pinning import KEPT, PinnedHost, resolve
from tests.certificates import Authority

#: Public addresses; no packet is sent to them.
ONE, TWO, SIX = "93.184.216.34", "93.184.216.35", "2606:2800:220:1::1"


class TlsServer(ThreadingHTTPServer):
    """An HTTPS server on loopback with a certificate for each of its names; the first is shown to all others."""

    request_queue_size = 64

    def __init__(self, authority: Authority, names: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str | None] = []
        self.requests: list[tuple[int, str, str]] = []
        contexts = {name: authority.certified(name) for name in names}

        def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            self.asked.append(name)
            connection.context = contexts.get(name or "", contexts[names[0]])

        contexts[names[0]].sni_callback = choose
        self.socket = contexts[names[0]].wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TlsServer

    def do_GET(self) -> None:
        self.server.requests.append((self.client_address[1], self.headers["Host"], self.path))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        return None


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class World:
    """The network: who answers at a public address, what names lead to, and which time it is."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.names: dict[str, list[str] | OSError] = {}
        self.lookups: list[tuple[str, int]] = []
        self.connected: list[str] = []
        self.down: set[str] = set()
        self.now = 1000.0

    def resolve(self, host: str, port: int) -> list[str]:
        self.lookups.append((host, port))
        found = self.names[host]
        if isinstance(found, OSError):
            raise found
        return found

    @contextmanager
    def serving(self, *names: str) -> Iterator[TlsServer]:
        with TlsServer(self._authority, names) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join(10)

    @contextmanager
    def client(self, url: str, **options: Any) -> Iterator[Http]:
        opened = Http(
            url, tls=self._authority.trusted(), resolve=self.resolve, clock=lambda: self.now, timeout=5, **options
        )
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture
def world(authority: Authority) -> World:
    return World(authority)


Carry = Callable[[TlsServer], None]


@pytest.fixture
def carry(world: World, monkeypatch: pytest.MonkeyPatch) -> Carry:
    """Carry what is connected, to whatever address, to one server: public addresses are out of a test's reach."""

    def to(server: TlsServer) -> None:
        connect = socket.create_connection

        def connect_there(address: tuple[str, int], *rest: Any, **options: Any) -> socket.socket:
            world.connected.append(address[0])
            if address[0] in world.down:
                raise ConnectionRefusedError(111, "Connection refused")
            return connect(("127.0.0.1", server.port), *rest, **options)

        monkeypatch.setattr(socket, "create_connection", connect_there)

    return to


@pytest.mark.parametrize(("port", "lookup"), [("", 443), (":443", 443), (":8443", 8443)])
def test_the_address_is_called_by_the_name_of_the_host(world: World, carry: Carry, port: str, lookup: int) -> None:
    world.names["vendor.example"] = [ONE]
    with world.serving("vendor.example") as server, world.client(f"https://Vendor.example{port}/rest") as client:
        carry(server)
        assert client.send("GET", "/a%2Fb/ø?x=1", params=[("q", "ø &")]).status == 200
        assert client.send("GET", "//a?x=%2F+%25").status == 200
    host = "vendor.example:8443" if lookup == 8443 else "vendor.example"
    assert [asked[1:] for asked in server.requests] == [
        (host, "/rest/a%2Fb/%C3%B8?q=%C3%B8+%26"),
        (host, "/rest//a?x=%2F+%25"),
    ]
    assert (server.asked, world.connected, world.lookups) == (["vendor.example"], [ONE], [("vendor.example", lookup)])


def test_a_certificate_for_another_name_is_refused_although_the_address_is_right(world: World, carry: Carry) -> None:
    world.names["vendor.example"] = [ONE]
    with world.serving("other.example", ONE) as server, world.client("https://vendor.example") as client:
        carry(server)
        with pytest.raises(RetryLater, match="Hostname mismatch"):
            client.send("GET", "/")
    assert (server.asked, server.requests) == (["vendor.example"], [])


def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(world: World, carry: Carry) -> None:
    world.names["vendor.example"] = [ONE]
    with world.serving("vendor.example") as server:
        carry(server)
        usual = Http("https://vendor.example", resolve=world.resolve)
        with pytest.raises(RetryLater, match="CERTIFICATE_VERIFY_FAILED"):
            usual.send("GET", "/")
        usual.close()
    assert server.requests == []


def test_a_name_that_leads_elsewhere_later_is_never_connected_there(world: World, carry: Carry) -> None:
    world.names["vendor.example"] = [ONE]
    with world.serving("vendor.example") as server, world.client("https://vendor.example") as client:
        carry(server)
        client.send("GET", "/")
        world.names["vendor.example"] = ["127.0.0.1"]
        client.send("GET", "/")
        for answer in (["127.0.0.1"], [ONE, "127.0.0.1"], ["::1"]):
            world.names["vendor.example"] = answer
            world.now += KEPT
            with pytest.raises(SpecError, match=r"'vendor\.example' leads to the internal address (127\.0\.0\.1|::1)"):
                client.send("GET", "/")
        world.names["vendor.example"] = [TWO]
        client.send("GET", "/")
    assert world.connected == [ONE, TWO]
    assert (len(server.requests), len(world.lookups)) == (3, 5)


def test_two_names_at_one_address_have_a_connection_each(world: World) -> None:
    world.names |= {"one.example": ["127.0.0.1"], "two.example": ["127.0.0.1"]}
    with world.serving("one.example", "two.example") as server:
        url = f"https://one.example:{server.port}"
        with world.client(url, allowed=lambda address: str(address) == "127.0.0.1") as client:
            for _ in range(2):
                client.send("GET", "/")
                client.send("GET", f"https://two.example:{server.port}/")
    connections = {(connection, host.partition(":")[0]) for connection, host, _ in server.requests}
    assert (len(server.requests), len(connections), len({connection for connection, _ in connections})) == (4, 2, 2)
    assert {host for _, host in connections} == {"one.example", "two.example"}
    assert server.asked == ["one.example", "two.example"]


def test_after_a_failed_connection_the_next_call_uses_the_next_address(world: World, carry: Carry) -> None:
    world.names["vendor.example"] = [ONE, ONE, TWO]
    world.down = {ONE}
    with world.serving("vendor.example") as server, world.client("https://vendor.example") as client:
        carry(server)
        with pytest.raises(RetryLater, match=r"https://vendor\.example/: no connection"):
            client.send("GET", "/")
        client.send("GET", "/")
        world.now += KEPT
        client.send("GET", "/")
        world.names["vendor.example"] = [ONE]
        world.down = set()
        world.now += KEPT
        client.send("GET", "/")
    assert world.connected == [ONE, TWO, ONE], "the address that works is kept while the name leads to it"
    assert len(world.lookups) == 3


def test_an_answer_that_breaks_off_does_not_change_the_address(world: World, carry: Carry) -> None:
    world.names["vendor.example"] = [ONE, TWO]
    with world.serving("vendor.example") as server, world.client("https://vendor.example", max_bytes=1) as client:
        carry(server)
        for _ in range(2):
            with pytest.raises(RetryLater, match="larger than 1 byte"):
                client.send("GET", "/")
    assert set(world.connected) == {ONE}


def test_several_calls_that_see_one_address_fail_move_on_by_one() -> None:
    host = PinnedHost("a.example", 443, resolve=lambda *_: [ONE, TWO, SIX], allowed=lambda _: True, clock=lambda: 0.0)
    failing = host.address()
    host.failed(failing)
    host.failed(failing)
    assert host.address() == TWO
    host.failed(TWO)
    host.failed(SIX)
    assert host.address() == ONE, "after the last comes the first"


def test_addresses_are_kept_for_a_minute_and_asked_for_again(world: World, carry: Carry) -> None:
    world.names["vendor.example"] = [ONE]
    with world.serving("vendor.example") as server, world.client("https://vendor.example") as client:
        carry(server)
        client.send("GET", "/")
        world.names["vendor.example"] = [TWO]
        world.now += KEPT - 0.001
        client.send("GET", "/")
        assert (world.connected, len(world.lookups)) == ([ONE], 1)
        world.now += 0.001
        client.send("GET", "/")
        assert (world.connected, len(world.lookups)) == ([ONE, TWO], 2)
        world.names["vendor.example"] = OSError(-3, "Temporary failure in name resolution")
        world.now += KEPT
        with pytest.raises(RetryLater, match=r"'vendor\.example' is not known: Temporary failure"):
            client.send("GET", "/")
        world.names["vendor.example"] = []
        with pytest.raises(RetryLater, match="it has no address"):
            client.send("GET", "/")
        world.names["vendor.example"] = [TWO]
        client.send("GET", "/")
    assert world.connected == [ONE, TWO]


@pytest.mark.parametrize("host", [ONE, SIX])
def test_a_literal_address_is_called_as_it_is(world: World, carry: Carry, host: str) -> None:
    written = f"[{host}]" if ":" in host else host
    with world.serving(host) as server, world.client(f"https://{written}:8443") as client:
        carry(server)
        client.send("GET", "/")
    assert [asked[1] for asked in server.requests] == [f"{written}:8443"]
    assert (world.lookups, world.connected, server.asked) == ([], [host], [None])


def test_a_name_can_lead_to_an_address_of_version_6(world: World, carry: Carry) -> None:
    world.names["vendor.example"] = [SIX]
    with world.serving("vendor.example") as server, world.client("https://vendor.example:8443") as client:
        carry(server)
        client.send("GET", "/people")
    assert [asked[1:] for asked in server.requests] == [("vendor.example:8443", "/people")]
    assert (world.connected, server.asked) == ([SIX], ["vendor.example"])


def test_a_name_in_another_alphabet_is_asked_for_in_ascii(world: World, carry: Carry) -> None:
    world.names["xn--bcher-kva.example"] = [ONE]
    with world.serving("xn--bcher-kva.example") as server, world.client("https://Bücher.example") as client:
        carry(server)
        client.send("GET", "/")
    assert [asked[1] for asked in server.requests] == ["xn--bcher-kva.example"]
    assert server.asked == ["xn--bcher-kva.example"]


@pytest.mark.parametrize("address", ["64:ff9b::5db8:d822", "::ffff:93.184.216.34", "2002:5db8:d822::1"])
def test_a_public_address_inside_another_is_public(world: World, carry: Carry, address: str) -> None:
    world.names["vendor.example"] = [address]
    with world.serving("vendor.example") as server, world.client("https://vendor.example") as client:
        carry(server)
        assert client.send("GET", "/").status == 200
    assert world.connected == [address]


def test_calls_in_many_threads_share_one_lookup(world: World, carry: Carry) -> None:
    world.names["vendor.example"] = [ONE]
    with world.serving("vendor.example") as server, world.client("https://vendor.example") as client:
        carry(server)
        with ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda number: client.send("GET", f"/{number}").status, range(100)))
    assert (set(replies), len(server.requests), len(world.lookups)) == ({200}, 100, 1)


def test_the_system_is_asked_where_nothing_else_is_said() -> None:
    assert "127.0.0.1" in resolve("localhost", 80)
