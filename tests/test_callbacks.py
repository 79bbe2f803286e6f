"""Answers that providers post: kept before they are acknowledged, taken from nobody else, also after the run."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine import callbacks, hookimpl, specs
from engine.adapters import Context, Enricher
from engine.asking import Ask, EnrichAnswer, Finding, Inquiry
from engine.callbacks import MOST_BYTES, CallbackServer
from engine.errors import EnvironmentFault
from engine.redaction import redact
from engine.run import Run
from engine.state import Store
from tests.unit_helpers import shelf_plugins, write_csv, write_spec


class Poster(Enricher):
    """A provider that answers later, by a post with its password in it."""

    name = "poster"
    summary = "for tests"
    provides = ("job_title",)
    online = True
    waits_for = 5.0  # type: ignore[assignment]
    posts: ClassVar[bool] = True

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        return Ask(str(lead["email"]), frozenset(self.provides))

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        address = self.context.inbox.address(self.name)
        if self.posts:
            assert post(address, {"ticket": lead["email"], "title": "Buyer", "password": "pst"}) == 200
        return EnrichAnswer("pending", ticket=str(lead["email"]), after=0.05)

    def collect(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        found = [self.context.inbox.answer(self.name, inquiry.ticket) for inquiry in inquiries]
        return [
            EnrichAnswer("hit", {"job_title": Finding(json.loads(body)["title"])}, 1.0)
            if body
            else EnrichAnswer("pending", after=0.05)
            for body in found
        ]

    def ticket_of(self, headers: Mapping[str, str], body: bytes) -> str:
        posted = json.loads(body)
        if posted.get("password") != "pst" or "x-from" not in headers:
            raise ValueError("not the provider")
        return str(posted["ticket"])


class PosterPlugin:
    @hookimpl
    def register_enrichers(self) -> list[type[Enricher]]:
        return [Poster]


def post(address: str, body: Any, *, method: str = "POST", headers: Mapping[str, str] | None = None) -> int:
    host, _, path = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=5)
    data = body if isinstance(body, bytes) else json.dumps(body)
    connection.request(method, f"/{path}", data, {"X-From": "poster", **(headers or {})})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as found:
        yield found


@pytest.fixture
def inbox(store: Store) -> Iterator[CallbackServer]:
    server = CallbackServer(store.callbacks, "127.0.0.1:0", "https://hooks.example.com/leads/", lambda: 7.0)
    server.start([Poster({}, Context())])
    yield server
    server.close()


def here(inbox: CallbackServer) -> str:
    """The address as it is behind the public one."""
    return inbox.address("poster").replace("https://hooks.example.com", f"http://127.0.0.1:{inbox.port}")


GOOD = {"ticket": "t1", "title": "Buyer", "password": "pst"}


def test_a_post_is_kept_and_a_second_one_does_no_harm(inbox: CallbackServer, store: Store) -> None:
    assert inbox.answer("poster", "t1") is None
    assert [post(here(inbox), GOOD), post(here(inbox), GOOD)] == [200, 200]
    body = inbox.answer("poster", "t1")
    assert body is not None and json.loads(body) == GOOD
    assert store.database.rows("SELECT provider, ticket, at FROM callbacks") == [("poster", "t1", 7.0)]


def test_the_address_cannot_be_guessed_and_stays_the_same(inbox: CallbackServer, store: Store, tmp_path: Path) -> None:
    address = inbox.address("poster")
    assert address.startswith("https://hooks.example.com/leads/poster/") and len(address.rpartition("/")[2]) >= 24
    again = CallbackServer(store.callbacks, "127.0.0.1:0", "https://hooks.example.com/leads")
    assert again.address("poster") == address != inbox.address("other")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"path": "/leads/poster/guess"}, 404),
        ({"path": "/leads/poster"}, 404),
        ({"method": "GET"}, 404),
        ({"body": {**GOOD, "password": "wrong"}}, 403),
        ({"body": b"no json"}, 403),
        ({"headers": {"Content-Length": str(MOST_BYTES + 1)}}, 413),
        ({"headers": {"Content-Length": "much"}}, 411),
    ],
)
def test_what_is_not_from_the_provider_is_refused(
    inbox: CallbackServer, store: Store, change: dict[str, Any], status: int
) -> None:
    address = here(inbox)
    if "path" in change:
        address = f"http://127.0.0.1:{inbox.port}{change['path']}"
    got = post(address, change.get("body", GOOD), method=change.get("method", "POST"), headers=change.get("headers"))
    assert got == status
    assert store.database.rows("SELECT * FROM callbacks") == []


def test_an_answer_that_could_not_be_stored_is_not_acknowledged(inbox: CallbackServer, store: Store) -> None:
    with store.database.transaction() as db:
        db.execute("ALTER TABLE callbacks RENAME TO gone")
    assert post(here(inbox), GOOD) == 500


def test_a_sender_that_drips_is_hung_up_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "_PATIENCE", 0.3)
    server = CallbackServer(store.callbacks, "127.0.0.1:0", "https://hooks.example.com")
    server.start([])
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port)) as drip, suppress(OSError):
        drip.sendall(b"POST / HTTP/1.1\r\nX: ")
        while time.monotonic() - started < 5:
            drip.sendall(b"a")
            time.sleep(0.05)
    server.close()
    assert time.monotonic() - started < 3


def test_many_senders_at_once_take_no_more_than_their_places(inbox: CallbackServer) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            sender = stack.enter_context(socket.create_connection(("127.0.0.1", inbox.port), timeout=5))
            sender.sendall(b"POST / HTTP/1.1\r\n")
        time.sleep(0.2)
        assert sum("process_request_thread" in thread.name for thread in threading.enumerate()) <= 64
    until = time.monotonic() + 5
    while (status := _tried(here(inbox))) != 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert status == 200


def _tried(address: str) -> int:
    try:
        return post(address, GOOD)
    except OSError:
        return 0


def test_the_secret_part_of_the_address_is_in_no_message(inbox: CallbackServer) -> None:
    token = inbox.address("poster").rpartition("/")[2]
    assert token not in redact(f"cannot post to https://hooks.example.com/leads/poster/{token}")


def test_a_port_that_is_taken_is_said(store: Store) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = CallbackServer(store.callbacks, f"127.0.0.1:{other.getsockname()[1]}", "https://hooks.example.com")
        with pytest.raises(EnvironmentFault, match="cannot listen") as raised:
            server.start([])
    assert "callbacks.listen" in raised.value.fix
    server.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_run_takes_posts_and_uses_them(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "leads.csv", [("Ada", "Quill", "Fernhill", "ada@f.example"), ("Bo", "Reed", "G", "bo@g.example")]
    )
    address = f"127.0.0.1:{_free_port()}"
    path = write_spec(tmp_path, enrichment={
        "steps": [{"use": "poster"}], "callbacks": {"listen": address, "url": f"http://{address}/hooks"},
    })  # fmt: skip
    plugins = shelf_plugins(poster=PosterPlugin())
    with Store(tmp_path / "state.db") as store:
        summary = Run(specs.load(path), store, plugins).go()
        assert (summary.exit_code, summary.enriched) == (0, {"poster": 2})
        assert [story["fields"]["job_title"] for id in (1, 2) if (story := store.reports.lead(id))] == ["Buyer"] * 2
    with pytest.raises(ConnectionRefusedError):
        post(f"http://{address}/", {})


def test_a_run_whose_port_is_taken_stops_but_keeps_what_was_captured(tmp_path: Path) -> None:
    write_csv(tmp_path / "leads.csv", [("Ada", "Quill", "Fernhill", "ada@f.example")])
    with socket.socket() as other, Store(tmp_path / "state.db") as store:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        path = write_spec(tmp_path, enrichment={
            "steps": [{"use": "poster"}], "callbacks": {"listen": listen, "url": f"http://{listen}"},
        })  # fmt: skip
        summary = Run(specs.load(path), store, shelf_plugins(poster=PosterPlugin())).go()
    assert (summary.exit_code, summary.totals["captured"]) == (3, 1)
