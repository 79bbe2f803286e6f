"""Limits: calls wait for their turn, stop at the day's quota, and stop when the vendor is down."""

from __future__ import annotations

import tempfile
import threading
import zoneinfo
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SpecError, VendorUnavailable
from engine.limits import LimitedGate, Limits, OpenGate
from engine.state import Store
from tests.limits_helpers import DAY, Clock, Watched, gate_for, start


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


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


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("2026-03-10T23:59:59-05:00", "2026-03-11T00:00:00-05:00", "2026-03-11T00:00:00-05:00"),
        ("2026-11-23T18:30:00-06:00", "2026-11-24T00:00:00-06:00", "2026-11-24T00:00:00-06:00"),
        ("2026-11-01T00:00:01-05:00", "2026-11-02T00:00:00-06:00", "2026-11-02T00:00:00-06:00"),  # a day of 25 hours
    ],
)
def test_the_quotas_day_ends_at_the_vendors_midnight(store: Store, before: str, after: str, said: str) -> None:
    clock = Clock(unix(before))
    gate = gate_for(store, clock, Limits(daily=1, day_zone="America/Chicago"))
    start(gate, clock)
    clock.time = unix(after) - 0.01
    with pytest.raises(VendorUnavailable) as caught:
        start(gate, clock)
    assert f"{said} (America/Chicago)" in str(caught.value)
    clock.time = unix(after)
    assert start(gate, clock) == unix(after)


def test_an_unknown_time_zone_is_refused_and_a_machine_without_zones_knows_them() -> None:
    for wrong in ("Mars/Olympus", "../etc", ""):
        with pytest.raises(SpecError, match="day_zone"):
            Limits(day_zone=wrong)
    zoneinfo.reset_tzpath(to=[])
    try:
        zoneinfo.ZoneInfo.clear_cache()
        assert Limits(day_zone="America/Chicago").day(0.0) == "1969-12-31"
    finally:
        zoneinfo.reset_tzpath()


def test_the_reserve_is_left_to_other_systems_and_the_message_says_so(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(daily=10, reserve=8))
    start(gate, clock)
    start(gate, clock)
    with pytest.raises(VendorUnavailable, match="2 of the daily quota of 10 calls") as caught:
        start(gate, clock)
    assert "the last 8 are reserved for other systems" in caught.value.what
    gate.seen(10)
    with pytest.raises(VendorUnavailable, match=r"is spent: 10 were made today"):
        start(gate, clock)


def test_the_vendors_own_count_counts_where_it_is_larger(store: Store, clock: Clock, tmp_path: Path) -> None:
    limits = Limits(daily=10)
    gate = gate_for(store, clock, limits)
    for _ in range(3):
        start(gate, clock)
    gate.seen(1)
    assert store.quotas.used("vendor:one", clock.time) == 3
    gate.seen(8)
    with Store(tmp_path / "state.db") as other:
        second = gate_for(other, clock, limits)
        start(second, clock)
        start(gate, clock)
        for each in (gate, second):
            with pytest.raises(VendorUnavailable, match="10 were made today"):
                start(each, clock)
    clock.time += DAY
    start(gate, clock)
    assert store.quotas.used("vendor:one", clock.time) == 1


def test_people_are_told_once_a_day_that_most_of_the_quota_is_used(store: Store, clock: Clock) -> None:
    told: list[str] = []
    gate = gate_for(store, clock, Limits(daily=10, reserve=1, alert=0.8), tell=told.append)
    for _ in range(7):
        start(gate, clock)
    assert told == []
    for _ in range(2):
        start(gate, clock)
    assert told == [
        "8 of today's 10 calls for vendor:one are used (80%); this engine stops at 9,"
        " and the day ends at 1970-04-12T00:00:00+00:00 (UTC)"
    ]
    clock.time += DAY
    gate.seen(9)
    gate.seen(10)
    assert len(told) == 2 and told[1].startswith("9 of today's 10 calls")
    quiet = gate_for(store, clock, Limits(daily=10, alert=None), tell=told.append)
    quiet.seen(10)
    assert len(told) == 2


def test_what_is_not_counted_takes_no_place(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(calls=1, window=20, daily=1))
    for _ in range(3):
        with gate.call(counted=False):
            pass
    with gate.call():
        assert (store.quotas.used("vendor:one", clock.time), clock.slept) == (1, [])


def test_accounts_are_counted_apart(store: Store) -> None:
    assert store.quotas.take_call("one", [(1, 10)], 5, 0.0) == 0
    assert store.quotas.take_call("two", [(1, 10)], 5, 0.0) == 0
    assert store.quotas.take_call("one", [(1, 10)], 5, 4.0) == 6
    assert (store.quotas.used("one", 4.0), store.quotas.used("two", 4.0)) == (1, 1)


def test_a_refused_call_is_counted_neither_in_the_window_nor_in_the_day(store: Store) -> None:
    assert store.quotas.take_call("one", [(5, 10)], 1, 0.0) == 0
    assert store.quotas.take_call("one", [(5, 10)], 1, 1.0) == float("inf")
    assert store.quotas.take_call("one", [(2, 10)], None, 2.0) == 0
    assert store.quotas.take_call("one", [(2, 10)], 9, 3.0) == 7
    assert store.quotas.used("one", 3.0) == 2


@settings(max_examples=20, deadline=None)
@given(
    calls=st.integers(1, 4),
    window=st.sampled_from([1.0, 7.5, 20.0]),
    margin=st.sampled_from([0.0, 0.1]),
    steps=st.lists(st.tuples(st.floats(0, 10), st.booleans(), st.sampled_from([0.0, 0.0, 3.0, 4000.0])), max_size=25),
)
def test_no_window_ever_holds_more_calls_than_allowed(
    calls: int, window: float, margin: float, steps: list[tuple[float, bool, float]]
) -> None:
    """Two processes share the state, and the clock of the machine is set back at times."""
    clock, starts, behind = Clock(1_000_000.0), [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        with Store(path, check=False) as one, Store(path, check=False) as two:
            limits = Limits(calls=calls, window=window, margin=margin)
            gates = [gate_for(store, clock, limits) for store in (one, two)]
            for gap, second, back in steps:
                behind += back
                clock.time += gap - back
                clock.slept.clear()
                starts.append(start(gates[second], clock) + behind)
                assert sum(clock.slept) <= window * (1 + margin) + 1e-6
    for index, later in enumerate(starts[calls:]):
        assert later - starts[index] >= window * (1 + margin) - 1e-6


def test_a_call_that_waited_for_the_state_is_counted_when_it_starts(store: Store, clock: Clock, tmp_path: Path) -> None:
    asked = threading.Event()

    def now() -> float:
        asked.set()
        return clock.time

    gate = LimitedGate(store.quotas, now=now, sleep=clock.sleep)
    gate.declare("vendor:one", Limits(calls=1, window=20))
    with ThreadPoolExecutor(1) as pool, Store(tmp_path / "state.db", check=False) as other:
        with other.database.transaction():
            first = pool.submit(start, gate, clock)
            assert asked.wait(10)
            clock.time += 15
        assert first.result(10) == 100 * DAY + 15
    assert start(gate, clock) == 100 * DAY + 35


def test_many_that_wait_ask_the_state_little_more_than_once_each(store: Store, clock: Clock) -> None:
    tally = Watched(store, clock)
    gate = LimitedGate(tally, now=clock.now, sleep=clock.sleep)
    gate.declare("vendor:one", Limits(calls=10, window=1, concurrency=5))
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda _: start(gate, clock), range(60)))
    assert len(tally.granted) == 60
    assert tally.granted[-1] - tally.granted[0] == pytest.approx(5, abs=0.02)
    assert 5 <= tally.vain <= 15


def test_who_waits_for_the_rate_leaves_its_place_to_calls_that_are_not_counted(store: Store, clock: Clock) -> None:
    waiting, go_on = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        waiting.set()
        assert go_on.wait(10)
        clock.sleep(seconds)

    gate = LimitedGate(store.quotas, now=clock.now, sleep=sleep)
    gate.declare("vendor:one", Limits(calls=1, window=20, concurrency=1))
    start(gate, clock)
    with ThreadPoolExecutor(1) as pool:
        counted = pool.submit(start, gate, clock)
        assert waiting.wait(10)
        assert start(gate, clock, counted=False) == 100 * DAY
        go_on.set()
        assert counted.result(10) == 100 * DAY + 20


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
            gate.hold(3600, "nobody is held")
            gate.seen(10_000)
    assert gate.report(healthy=False) is None


def test_several_windows_hold_at_the_same_time(store: Store) -> None:
    windows = [(2, 1.0), (3, 60.0)]
    times = []
    now = 1_000.0
    for _ in range(6):
        while wait := store.quotas.take_call("one", windows, None, now):
            now += wait
        times.append(round(now - 1_000.0, 3))
    assert times == [0, 0, 1, 60, 60, 61]


def test_a_window_that_is_full_for_long_ends_the_run_and_says_when(store: Store) -> None:
    gate = LimitedGate(store.quotas, now=lambda: 1_000.0, sleep=lambda seconds: pytest.fail("it waits"))
    gate.declare("one", Limits(calls=1, window=86_400.0))
    with gate.call():
        pass
    with pytest.raises(VendorUnavailable, match="no call left until 1970-01-02T00:16:40"), gate.call():
        pass
