"""Limits: calls wait for their turn, stop at the day's quota, and stop when the vendor is down."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import VendorUnavailable
from engine.limits import LimitedGate, Limits, OpenGate
from engine.state import Store

DAY = 86_400.0


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: float = 100 * DAY) -> None:
        self.time = now
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


def gate_for(store: Store, clock: Clock, limits: Limits, trip_after: int = 8) -> LimitedGate:
    gate = LimitedGate(store.quotas, now=clock.now, sleep=clock.sleep, trip_after=trip_after)
    gate.declare("vendor:one", limits)
    return gate


def test_a_call_beyond_the_window_waits_until_the_oldest_leaves_it(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(calls=2, window=20))
    starts = []
    for _ in range(5):
        with gate.call():
            starts.append(clock.time - 100 * DAY)
        clock.time += 1
    assert starts == [0, 1, 20, 21, 40]
    assert sum(clock.slept) == 36


def test_the_window_holds_across_processes_that_share_the_state(store: Store, clock: Clock) -> None:
    for _ in range(2):
        with gate_for(store, clock, Limits(calls=2, window=20)).call():
            pass
    with gate_for(store, clock, Limits(calls=2, window=20)).call():
        assert clock.slept == [20]


def test_the_daily_quota_ends_the_run_and_is_there_again_tomorrow(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(daily=3))
    for _ in range(3):
        with gate.call():
            pass
    with pytest.raises(VendorUnavailable, match="daily quota of 3 calls") as caught, gate.call():
        pass
    assert caught.value.exit_code == 5
    assert "tomorrow" in caught.value.fix
    clock.time += DAY
    with gate.call():
        assert store.quotas.used("vendor:one", clock.time) == 1


def test_what_is_not_counted_takes_no_place(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(calls=1, window=20, daily=1))
    for _ in range(3):
        with gate.call(counted=False):
            pass
    with gate.call():
        assert (store.quotas.used("vendor:one", clock.time), clock.slept) == (1, [])


def test_accounts_are_counted_apart(store: Store) -> None:
    assert store.quotas.take_call("one", 1, 10, 5, 0.0) == 0
    assert store.quotas.take_call("two", 1, 10, 5, 0.0) == 0
    assert store.quotas.take_call("one", 1, 10, 5, 4.0) == 6
    assert (store.quotas.used("one", 4.0), store.quotas.used("two", 4.0)) == (1, 1)


def test_a_refused_call_is_counted_neither_in_the_window_nor_in_the_day(store: Store) -> None:
    assert store.quotas.take_call("one", 5, 10, 1, 0.0) == 0
    assert store.quotas.take_call("one", 5, 10, 1, 1.0) == float("inf")
    assert store.quotas.take_call("one", 2, 10, None, 2.0) == 0
    assert store.quotas.take_call("one", 2, 10, 9, 3.0) == 7
    assert store.quotas.used("one", 3.0) == 2


@settings(max_examples=40, deadline=None)
@given(calls=st.integers(1, 4), window=st.sampled_from([1.0, 7.5, 20.0]), gaps=st.lists(st.floats(0, 10), max_size=25))
def test_no_window_ever_holds_more_calls_than_allowed(calls: int, window: float, gaps: list[float]) -> None:
    clock, starts = Clock(0.0), []
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "state.db", check=False) as store:
        gate = gate_for(store, clock, Limits(calls=calls, window=window))
        for gap in gaps:
            clock.time += gap
            with gate.call():
                starts.append(clock.time)
    for index, start in enumerate(starts[calls:]):
        assert start - starts[index] >= window - 1e-6


def test_the_breaker_trips_after_failures_in_a_row_and_not_before(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(), trip_after=3)
    for healthy in (False, False, True, False, False):
        with gate.call():
            gate.report(healthy=healthy)
    with gate.call():
        gate.report(healthy=False)
    with pytest.raises(VendorUnavailable, match="vendor:one failed 3 calls in a row"), gate.call():
        pass


def test_no_more_calls_are_in_flight_than_declared(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(concurrency=2))
    inside, most, lock = 0, 0, threading.Lock()
    two_are_in = threading.Barrier(2, timeout=10)

    def work() -> None:
        nonlocal inside, most
        with gate.call():
            with lock:
                inside += 1
                most = max(most, inside)
            two_are_in.wait()
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (most, inside) == (2, 0)


def test_a_place_is_given_back_when_a_call_breaks(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(concurrency=1))
    for _ in range(3):
        with pytest.raises(KeyError), gate.call():
            raise KeyError
    with gate.call():
        assert clock.slept == []


def test_an_open_gate_lets_everything_through() -> None:
    gate = OpenGate()
    for _ in range(50):
        with gate.call():
            gate.report(healthy=False)
    assert gate.report(healthy=False) is None
