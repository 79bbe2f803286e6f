"""HTTP: each way a call can end, and what may not be called at all."""

from __future__ import annotations

import gzip
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.errors import EngineError, NoAnswer, RetryLater, SpecError, VendorUnavailable
from engine.http import Http, Reply
from engine.limits import LimitedGate, Limits
from engine.state import Store
from engine.testing.server import Request, Response, Sandbox


class Echo(Sandbox):
    """Answers with what it was asked, and counts what it executed."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.executed = 0

    def state(self) -> Mapping[str, Any]:
        return {"executed": self.executed}

    def handle(self, request: Request) -> Response:
        with self.lock:
            self.executed += 1
        if request.path == "/away":
            return Response(302, {}, {"Location": f"{self.url}/secret-place"})
        if request.path == "/big":
            return Response(200, b"x" * 5000)
        if request.path == "/packed":
            return Response(200, gzip.compress(b"y" * 5_000_000), {"Content-Encoding": "gzip"})
        if request.path == "/garbled":
            return Response(200, b"this is no gzip", {"Content-Encoding": "gzip"})
        if request.path == "/asked":
            return Response(200, {"asked": request.query_string}, {"X-Served-By": "Echo"})
        if request.path == "/leak":
            return Response(400, {"error": "bad", "access_token": "hunter2-token", "client_secret": "hunter2-secret"})
        if request.path == "/cookie":
            return Response(200, {}, {"Set-Cookie": "session=of-somebody; Path=/"})
        shown = ("x-", "content-type", "cookie")
        headers = {name: value for name, value in request.headers.items() if name.startswith(shown)}
        return Response(200, {"method": request.method, "path": request.path, "query": dict(request.query),
                              "body": request.body.decode(), "headers": headers})  # fmt: skip


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@pytest.fixture
def client(echo: Echo) -> Iterator[Http]:
    opened = Http(echo.url + "/", timeout=5, max_bytes=4000)
    yield opened
    opened.close()


@contextmanager
def speaking(answer: bytes) -> Iterator[str]:
    """A server that sends these bytes to one caller and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Http]:
    client = Http(url, **options)
    try:
        yield client
    finally:
        client.close()


def test_a_call_carries_query_headers_json_and_form(client: Http) -> None:
    reply = client.send("POST", "/a b", params={"q": "ø &"}, headers={"X-Key": "k"}, json={"n": 1})
    assert reply.json() == {
        "method": "POST", "path": "/a%20b", "query": {"q": "ø &"}, "body": '{"n":1}',
        "headers": {"x-key": "k", "content-type": "application/json"},
    }  # fmt: skip
    assert client.send("POST", "/", form={"a": "1 2"}).json()["body"] == "a=1+2"
    assert client.send("PUT", "/", content=b"raw").json()["body"] == "raw"


def test_files_travel_as_parts_with_their_name_and_type(client: Http) -> None:
    content = "email\nø@example.com\n".encode()
    files = {"file": ("leads.csv", content, "text/csv")}
    sent = client.send("POST", "/bulk", params={"format": "csv"}, form={"partition": "1"}, files=files).json()
    assert (sent["method"], sent["query"]) == ("POST", {"format": "csv"})
    head = f"Content-Type: {sent['headers']['content-type']}\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head.encode() + sent["body"].encode())
    parts = list(message.iter_parts())
    assert [part.get_param("name", header="content-disposition") for part in parts] == ["partition", "file"]
    assert (parts[1].get_filename(), parts[1].get_content_type()) == ("leads.csv", "text/csv")
    assert parts[1].get_payload(decode=True) == content


def test_a_parameter_can_be_given_several_times(client: Http) -> None:
    reply = client.send("GET", "/asked", params=[("id", "1"), ("id", "2 &"), ("page", "")])
    assert reply.json()["asked"] == "id=1&id=2+%26&page="


def test_an_answer_keeps_its_headers_in_lower_case(client: Http) -> None:
    reply = client.send("GET", "/asked")
    assert reply.headers["x-served-by"] == "Echo"
    assert abs(parsedate_to_datetime(reply.headers["date"]).timestamp() - time.time()) < 60


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_any_status_is_an_answer(client: Http, echo: Echo, status: int) -> None:
    echo.add_fault(status=status, body="no json")
    reply = client.send("GET", "/")
    assert (reply.status, reply.json(), reply.excerpt()) == (status, None, "no json")


def test_no_connection_means_that_nothing_happened(echo: Echo, client: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with opened(f"http://127.0.0.1:{port}") as nobody, pytest.raises(RetryLater, match="no connection") as caught:
        nobody.send("POST", "/people")
    assert not isinstance(caught.value, NoAnswer)
    assert f"POST http://127.0.0.1:{port}/people" in str(caught.value)


@pytest.mark.parametrize(("when", "executed"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_leaves_the_effect_unknown(client: Http, echo: Echo, when: str, executed: int) -> None:
    echo.add_fault(drop=when)
    with pytest.raises(NoAnswer):
        client.send("POST", "/people")
    assert echo.executed == executed
    assert client.send("GET", "/").status == 200, "the next call opens a new connection"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.1 200",
        b"SMTP hello\r\n\r\n",
        b"",
    ],
)
def test_half_an_answer_is_no_answer(answer: bytes) -> None:
    with speaking(answer) as url, opened(url) as client, pytest.raises(NoAnswer):
        client.send("POST", "/people")


def test_an_answer_that_cannot_be_unpacked_is_no_answer(client: Http, echo: Echo) -> None:
    with pytest.raises(NoAnswer):
        client.send("POST", "/garbled")
    assert echo.executed == 1


def test_an_answer_that_comes_too_late_is_no_answer(client: Http, echo: Echo) -> None:
    echo.add_fault(delay=0.3)
    with pytest.raises(NoAnswer, match="within the time allowed"):
        client.send("POST", "/people", timeout=0.05)


@pytest.mark.parametrize("path", ["/big", "/packed"])
def test_an_answer_above_the_size_allowed_is_refused(client: Http, path: str) -> None:
    with pytest.raises(NoAnswer, match="larger than 4000 bytes"):
        client.send("GET", path)


def test_a_redirect_is_an_answer_and_is_not_followed(client: Http, echo: Echo) -> None:
    assert client.send("GET", "/away").status == 302
    assert [entry["request"] for entry in echo.journal] == ["GET /away"]


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example", "ftp://vendor.example", "vendor.example", "https://", "", "http://0.0.0.0:1",
        "https://user:hunter2@vendor.example", "http://hunter2@127.0.0.1", "http://127.0.0.1.vendor.example",
        "http://localhost.vendor.example", "file:///etc/passwd", "https://[::1", "https://vendor.example:notaport",
    ],
)  # fmt: skip
def test_an_address_that_is_not_safe_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(SpecError) as caught:
        Http(url).close()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://vendor.example/x", "https://a:hunter2@vendor.example", "gopher://x"])
def test_an_absolute_address_is_checked_as_well(client: Http, url: str) -> None:
    with pytest.raises(SpecError):
        client.send("GET", url)


@pytest.mark.parametrize("port", ["65536", "-1"])
def test_a_port_that_does_not_exist_is_a_spec_error(client: Http, port: str) -> None:
    with pytest.raises(SpecError, match="there is no port"):
        client.send("GET", f"http://127.0.0.1:{port}/")


def test_an_address_that_cannot_be_read_does_not_show_its_user() -> None:
    with pytest.raises(SpecError, match="is no address") as caught:
        Http("https://user:hunter2@vendor.example:notaport")
    assert "hunter2" not in str(caught.value)


def test_parameters_that_no_address_can_hold_are_a_spec_error(client: Http, echo: Echo) -> None:
    with pytest.raises(SpecError, match="parameters"):
        client.send("GET", "/", params={"q": "x" * 70_000})
    assert echo.journal == []


@pytest.mark.parametrize(
    "value",
    ["hunter2\r\nX-Admin: 1", "hunter2\n", "hunter2\r", "hunter2\0", "hunter2 ", "\thunter2", "hunter2 日",
     "hunter2\ud800", "hunter2\x0b2"],
)  # fmt: skip
def test_a_header_value_that_cannot_be_sent_is_named_and_not_shown(client: Http, echo: Echo, value: str) -> None:
    with pytest.raises(SpecError, match="the header X-Key") as caught:
        client.send("GET", "/", headers={"X-Key": value})
    assert "hunter2" not in str(caught.value)
    assert echo.journal == []


@pytest.mark.parametrize("name", ["", "X Key", "X-Key:", "X-Kéy", "X-Key\r\nX-Admin", "X-Key\n"])
def test_a_header_name_that_is_none_is_refused(client: Http, echo: Echo, name: str) -> None:
    with pytest.raises(SpecError, match="no name of a header"):
        client.send("GET", "/", headers={name: "1"})
    assert echo.journal == []


@pytest.mark.parametrize("name", ["Host", "host", "HOST", "Content-Length", "transfer-encoding"])
def test_a_caller_does_not_say_where_a_request_goes_or_ends(client: Http, echo: Echo, name: str) -> None:
    with pytest.raises(SpecError, match="cannot be set"):
        client.send("POST", "/", headers={name: "5"}, content=b"x")
    assert echo.journal == []


def test_a_header_value_may_hold_latin_1_and_blanks_between_words(client: Http) -> None:
    sent = client.send("GET", "/", headers={"X-Name": "Bj\xf8rn  \xc5s", "X-Empty": ""}).json()["headers"]
    assert sent == {"x-name": "Bj\xf8rn  \xc5s", "x-empty": ""}


def test_the_type_that_a_caller_gives_replaces_that_of_json(client: Http) -> None:
    sent = client.send("POST", "/", headers={"content-type": "application/vnd.api+json"}, json={}).json()
    assert sent["headers"] == {"content-type": "application/vnd.api+json"}


def test_a_cookie_of_one_call_does_not_reach_the_next(client: Http) -> None:
    assert client.send("GET", "/cookie").headers["set-cookie"].startswith("session=")
    assert client.send("GET", "/").json()["headers"] == {}
    assert client.send("GET", "/", headers={"Cookie": "a=b"}).json()["headers"] == {"cookie": "a=b"}


@pytest.mark.parametrize(
    ("given", "told"),
    [("Application/JSON; charset=UTF-8", "application/json"), ("text/csv", "text/csv"), (" ; q=1", ""), ("", "")],
)
def test_an_answer_tells_its_type(given: str, told: str) -> None:
    assert Reply(200, {"content-type": given}, b"").content_type == told
    assert Reply(200, {}, b"").content_type == ""


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b"NaN", b'{"a": Infinity}', b'"\xff"', b'"\\ud800"', b"[1] [2]",
     b"[" * 255 + b"]" * 255, b'{"a":' * 1000 + b"1" + b"}" * 1000, b"[" * 1_000_000],
    ids=["empty", "html", "half", "nan", "infinity", "no utf-8", "half a character", "two", "deep", "deeper",
         "deepest"],
)  # fmt: skip
def test_what_is_no_json_or_nested_too_deep_is_none(body: bytes) -> None:
    assert Reply(200, {}, body).json() is None


def test_json_may_be_wide_and_a_key_that_is_there_twice_has_its_last_value() -> None:
    rows = [{"id": index, "tags": ["a"]} for index in range(1000)]
    assert Reply(200, {}, orjson.dumps(rows)).json() == rows
    assert Reply(200, {}, b"[" * 254 + b"]" * 254).json() is not None
    assert Reply(200, {}, b'{"a": 1, "a": 2}').json() == {"a": 2}


INTERNAL = [
    "10.0.0.8", "192.168.1.1", "172.16.0.1", "169.254.169.254", "127.0.0.1", "0.0.0.0", "100.64.0.1", "224.0.0.1",  # noqa: S104 - addresses to refuse
    "255.255.255.255", "::", "::1", "fd00::1", "fe80::1", "ff0e::1", "::ffff:10.0.0.8", "64:ff9b::a00:8",
    "2002:a00:8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", [*INTERNAL, "fe80::1%eth0"])
def test_a_public_name_that_leads_to_an_internal_address_is_refused(address: str) -> None:
    found = ["93.184.216.34", address]
    with (
        opened("https://vendor.example", resolve=lambda *_: found) as client,
        pytest.raises(SpecError, match="internal address"),
    ):
        client.send("GET", "/")


@pytest.mark.parametrize("address", [each for each in INTERNAL if each not in {"127.0.0.1", "::1"}])
def test_an_internal_address_is_refused_without_a_lookup(address: str) -> None:
    lookups: list[object] = []
    url = f"https://[{address}]" if ":" in address else f"https://{address}"
    with (
        opened(url, resolve=lambda *asked: lookups.append(asked) or []) as client,
        pytest.raises(SpecError, match="internal address"),
    ):
        client.send("GET", "/")
    assert lookups == []


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1"])
def test_loopback_in_disguise_is_refused(host: str) -> None:
    with pytest.raises(SpecError), opened(f"https://{host}") as client:
        client.send("GET", "/")


def test_a_host_name_that_cannot_be_one_is_a_spec_error() -> None:
    with opened(f"https://{'a' * 70}.example") as client, pytest.raises(SpecError):
        client.send("GET", "/")


def test_errors_and_excerpts_show_no_secret(client: Http, echo: Echo) -> None:
    reply = client.send("GET", "/leak")
    assert "hunter2" not in reply.excerpt()
    assert "bad" in reply.excerpt()
    echo.add_fault(drop="before")
    with pytest.raises(EngineError) as caught:
        client.send("GET", f"{echo.url}/token?client_secret=hunter2&access_token=hunter2&page=7")
    assert "hunter2" not in str(caught.value)
    assert "page=7" in str(caught.value)


def test_the_breaker_counts_what_a_call_came_to(echo: Echo) -> None:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "state.db", check=False) as store:
        gate = LimitedGate(store.quotas, trip_after=3)
        gate.declare("echo", Limits())
        with opened(echo.url, gate=gate) as client:
            for fault in ({"status": 500}, {"drop": "before"}, {"status": 404}, {"status": 502}, {"status": 503}):
                echo.add_fault(**fault)
            for _ in range(5):
                try:
                    client.send("GET", "/")
                except NoAnswer:
                    continue
            echo.add_fault(status=500)
            client.send("GET", "/")
            with pytest.raises(VendorUnavailable):
                client.send("GET", "/")
    assert echo.executed == 0
    assert len(echo.journal) == 6
