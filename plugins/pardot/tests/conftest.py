"""A sandbox over loopback HTTP, a vendor connected to it, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from engine_pardot.sandbox import PardotSandbox
from engine_pardot.vendor import PardotVendor

from engine.adapters import Context
from engine.limits import Gate, LimitedGate, OpenGate
from engine.records import Decision, Delivery
from engine.state import Store

Vendors = Callable[..., PardotVendor]
Deliveries = Callable[..., Delivery]


@pytest.fixture
def waits() -> list[float]:
    """The seconds that a vendor waited for."""
    return []


@pytest.fixture
def sandboxes() -> Iterator[Callable[..., PardotSandbox]]:
    """Start sandboxes with a seed."""
    with ExitStack() as stack:
        yield lambda **seed: stack.enter_context(PardotVendor.sandbox(seed=seed))


@pytest.fixture(scope="session")
def _running() -> Iterator[PardotSandbox]:
    with PardotVendor.sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: PardotSandbox) -> PardotSandbox:
    """The sandbox with its default seed, started once and reset for each test."""
    _running.reset()
    return _running


@pytest.fixture
def vendors(waits: list[float]) -> Iterator[Vendors]:
    """Build vendors for a sandbox, by its clock; keyword arguments change the configuration.

    `gate` is what its calls go through.
    """
    with ExitStack() as stack:

        def build(sandbox: PardotSandbox, *, gate: Gate | None = None, **changes: Any) -> PardotVendor:
            client = {
                "base_url": sandbox.url,
                "token_url": sandbox.url,
                "business_unit_id": "0Uv000000000001CAA",
                "client_id": "sandbox",
                "client_secret": "sandbox-secret",
            }
            config = {key: value for key, value in {**client, **changes}.items() if value is not None}
            context = Context(now=sandbox.now, sleep=waits.append, gate=gate or OpenGate())
            vendor = PardotVendor(config, context)
            if isinstance(gate, LimitedGate):
                gate.declare(vendor.account, vendor.limits)
            stack.callback(vendor.close)
            return vendor

        yield build


@pytest.fixture
def vendor(sandbox: PardotSandbox, vendors: Vendors) -> PardotVendor:
    return vendors(sandbox)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as store:
        yield store


@pytest.fixture
def gate(store: Store, sandbox: PardotSandbox) -> LimitedGate:
    """The engine's own limits on a state file, by the sandbox's clock, which a wait moves; a vendor declares them."""
    return LimitedGate(store.quotas, now=sandbox.now, sleep=sandbox.advance)


@pytest.fixture
def delivery() -> Deliveries:
    """Build a delivery of one person, matched by email; `on_create` is for a new person only."""

    def build(email: str = "ana@example.com", on_create: Any = None, /, **fields: Any) -> Delivery:
        return Delivery(1, Decision("email", email), {"email": email, **fields}, on_create or {})

    return build


@pytest.fixture
def by_id() -> Deliveries:
    """Build a delivery of one person, matched by the id of a prospect."""

    def build(prospect_id: object, *, update_email: bool = False, **fields: Any) -> Delivery:
        return Delivery(1, Decision("prospect_id", str(prospect_id), update_email=update_email), fields)

    return build
