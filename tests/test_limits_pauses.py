"""Pauses: when a vendor asks for one, no call of the account starts, in any process, until it is over."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import VendorUnavailable
from engine.limits import LONGEST_WAIT, LimitedGate, Limits
from engine.state import Store
from tests.limits_helpers import DAY, Clock, Watched, gate_for, start


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("limits", [Limits(), Limits(calls=9), Limits(daily=9)])
@pytest.mark.parametrize("counted", [True, False])
def test_a_short_pause_is_waited_for_in_every_process(
    store: Store, clock: Clock, tmp_path: Path, limits: Limits, counted: bool
) -> None:
    gate_for(store, clock, limits).hold(120, "the vendor asks for a pause")
    store.close()
    with Store(tmp_path / "state.db") as reopened:
        assert start(gate_for(reopened, clock, limits), clock, counted=counted) == 100 * DAY + 120
        assert clock.slept == [120]


@pytest.mark.parametrize("limits", [Limits(), Limits(calls=9), Limits(daily=9, day_zone="America/Chicago")])
def test_a_long_pause_ends_the_run_and_says_why_and_until_when(store: Store, clock: Clock, limits: Limits) -> None:
    gate = gate_for(store, clock, limits)
    gate.hold(3600, "another system has spent the quota")
    for counted in (True, False):
        with pytest.raises(VendorUnavailable, match="vendor:one is paused until") as caught:
            start(gate, clock, counted=counted)
        assert caught.value.why == "another system has spent the quota"
        assert limits.clock_time(100 * DAY + 3600) in caught.value.what
    assert (clock.slept, store.quotas.used("vendor:one", clock.time)) == ([], 0)
    clock.time += 3500
    assert start(gate, clock) == 100 * DAY + 3600, "what is left is short enough to be waited for"


def test_a_pause_beyond_two_days_is_a_clock_set_back_and_is_removed(store: Store, clock: Clock) -> None:
    gate = gate_for(store, clock, Limits(calls=9))
    gate.hold(3600, "x")
    clock.time -= 3 * DAY
    assert start(gate, clock) == 97 * DAY
    clock.time += 3 * DAY
    assert start(gate, clock) == 100 * DAY
    gate.hold(30 * DAY, "nobody pauses for longer than two days")
    with pytest.raises(VendorUnavailable, match="1970-04-13T00:00:00"):
        start(gate, clock)
    gate.hold(-5, "not at all")
    clock.time += 2 * DAY
    assert start(gate, clock) == 102 * DAY


@pytest.mark.parametrize("seconds", [90.0, 7200.0])
def test_a_pause_that_begins_while_many_wait_for_their_turn_holds_all_of_them(
    store: Store, clock: Clock, seconds: float
) -> None:
    """The first that waits for the rate is told, in its sleep, that the vendor asks for a pause."""
    once, in_line = threading.Lock(), threading.Barrier(12, timeout=10)

    def sleep(wait: float) -> None:
        if once.acquire(blocking=False):
            gate.hold(seconds, "slow down")
        clock.sleep(wait)

    def work(_: int) -> str:
        in_line.wait()
        try:
            start(gate, clock)
        except VendorUnavailable as error:
            return error.why
        return "started"

    tally = Watched(store, clock)
    gate = LimitedGate(tally, now=clock.now, sleep=sleep)
    gate.declare("vendor:one", Limits(calls=2, window=20, concurrency=3))
    with ThreadPoolExecutor(12) as pool:
        ends = sorted(pool.map(work, range(12)))
    assert tally.granted[:2] == [100 * DAY] * 2
    if seconds > LONGEST_WAIT:
        assert ends == ["slow down"] * 10 + ["started"] * 2
    else:
        assert ends == ["started"] * 12
        assert tally.granted[2] == 100 * DAY + seconds


@settings(max_examples=20, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["hold", "call", "look up", "pass"]), st.floats(0.01, 300), st.booleans()),
        max_size=30,
    )
)
def test_no_call_starts_in_a_pause_and_none_waits_longer(steps: list[tuple[str, float, bool]]) -> None:
    clock, until = Clock(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        with Store(path, check=False) as one, Store(path, check=False) as two:
            gates = [gate_for(store, clock, Limits(daily=1000)) for store in (one, two)]
            for what, seconds, second in steps:
                if what == "pass":
                    clock.time += seconds
                elif what == "hold":
                    gates[second].hold(seconds, "why")
                    until = max(until, clock.time + seconds)
                elif until - clock.time > LONGEST_WAIT:
                    with pytest.raises(VendorUnavailable, match="paused until"):
                        start(gates[second], clock, counted=what == "call")
                else:
                    expected = max(clock.time, until)
                    assert start(gates[second], clock, counted=what == "call") == pytest.approx(expected, abs=1e-6)
                    assert clock.time >= until
