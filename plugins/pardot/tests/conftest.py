"""A sandbox over loopback HTTP, a vendor connected to it, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from engine_pardot.sandbox import PardotSandbox
from engine_pardot.vendor import PardotVendor

from engine.adapters import Context
from engine.records import Decision, Delivery

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
    """Build vendors for a sandbox; keyword arguments change the configuration."""
    with ExitStack() as stack:

        def build(sandbox: PardotSandbox, **changes: Any) -> PardotVendor:
            client = {
                "base_url": sandbox.url,
                "token_url": sandbox.url,
                "business_unit_id": "0Uv000000000001CAA",
                "client_id": "sandbox",
                "client_secret": "sandbox-secret",
            }
            config = {key: value for key, value in {**client, **changes}.items() if value is not None}
            vendor = PardotVendor(config, Context(sleep=waits.append))
            stack.callback(vendor.close)
            return vendor

        yield build


@pytest.fixture
def vendor(sandbox: PardotSandbox, vendors: Vendors) -> PardotVendor:
    return vendors(sandbox)


@pytest.fixture
def delivery() -> Deliveries:
    """Build a delivery of one person, matched by email."""

    def build(email: str = "ana@example.com", **fields: Any) -> Delivery:
        return Delivery(lead_id=1, decision=Decision("email", email), fields={"email": email, **fields})

    return build
