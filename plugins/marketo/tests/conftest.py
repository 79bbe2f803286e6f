"""A sandbox and a vendor connected to it, with a clock that the test moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from engine_marketo.client import Client
from engine_marketo.config import Settings
from engine_marketo.sandbox import MarketoSandbox
from engine_marketo.vendor import MarketoVendor

from engine.adapters import Context
from engine.limits import Gate, LimitedGate, OpenGate
from engine.records import Decision, Delivery
from engine.state import Store


class Clock:
    """The plugin's time: the sandbox's, so that moving one moves both; waiting takes no real time."""

    def __init__(self, sandbox: MarketoSandbox) -> None:
        self._sandbox = sandbox
        self.waits: list[float] = []

    def now(self) -> float:
        return self._sandbox.now()

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._sandbox.advance(seconds)


def configuration(sandbox: MarketoSandbox, **config: Any) -> dict[str, Any]:
    return {"base_url": sandbox.url, "client_id": "sandbox", "client_secret": "sandbox-secret", **config}


@pytest.fixture(scope="session")
def server() -> Iterator[MarketoSandbox]:
    with MarketoSandbox() as running:
        yield running


@pytest.fixture
def sandbox(server: MarketoSandbox) -> MarketoSandbox:
    """The one server, as it was at its start."""
    server.seed = {}
    server.pause = time.sleep
    server.reset()
    return server


@pytest.fixture
def clock(sandbox: MarketoSandbox) -> Clock:
    return Clock(sandbox)


@pytest.fixture
def connect(sandbox: MarketoSandbox, clock: Clock) -> Iterator[Callable[..., MarketoVendor]]:
    """Build a vendor for the sandbox; keyword arguments change its configuration, `gate` what its calls go through."""
    opened: list[MarketoVendor] = []

    def build(*, gate: Gate | None = None, **config: Any) -> MarketoVendor:
        context = Context(now=clock.now, sleep=clock.sleep, gate=gate or OpenGate())
        vendor = MarketoVendor(configuration(sandbox, **config), context)
        if isinstance(gate, LimitedGate):
            gate.declare(vendor.account, vendor.limits)
        opened.append(vendor)
        return vendor

    yield build
    for vendor in opened:
        vendor.close()


@pytest.fixture
def vendor(connect: Callable[..., MarketoVendor]) -> MarketoVendor:
    return connect()


@pytest.fixture
def open_client(sandbox: MarketoSandbox, clock: Clock) -> Iterator[Callable[..., Client]]:
    """Build a client alone, whose single calls can be counted; arguments as for `connect`."""
    opened: list[Client] = []

    def build(*, gate: Gate | None = None, **config: Any) -> Client:
        settings = Settings.read(configuration(sandbox, **config))
        if isinstance(gate, LimitedGate):
            gate.declare(settings.account, settings.limits)
        opened.append(Client(settings, Context(now=clock.now, sleep=clock.sleep, gate=gate or OpenGate())))
        return opened[-1]

    yield build
    for client in opened:
        client.close()


@pytest.fixture
def client(open_client: Callable[..., Client]) -> Client:
    return open_client()


@pytest.fixture
def gate(tmp_path: Path, clock: Clock) -> Iterator[LimitedGate]:
    """The engine's own limits on a state file, by the sandbox's time; what is built with it declares its account."""
    with Store(tmp_path / "state.db") as store:
        yield LimitedGate(store.quotas, now=clock.now, sleep=clock.sleep)


@pytest.fixture(scope="session")
def browser(server: MarketoSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def api(sandbox: MarketoSandbox, browser: httpx.Client) -> httpx.Client:
    """The sandbox's API as any other client sees it, with a token."""
    credentials = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = browser.get("/identity/oauth/token", params=credentials).json()["access_token"]
    browser.headers["Authorization"] = f"Bearer {token}"
    return browser


@pytest.fixture
def by_email() -> Callable[..., Delivery]:
    def build(email: str, **fields: Any) -> Delivery:
        return Delivery(1, Decision("email", email), fields)

    return build


@pytest.fixture
def by_id() -> Callable[..., Delivery]:
    def build(remote_id: object, **fields: Any) -> Delivery:
        return Delivery(1, Decision("lead_id", str(remote_id)), fields)

    return build
