"""What fails for a passing reason is tried again later and later, never before the vendor asks, and not for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.backoff import JITTER, LONGEST, Retrying, RetryPolicy
from tests.conftest import Bench


def retrying(policy: RetryPolicy = RetryPolicy(), *, seed: str = "run", age: float = 0.0) -> Retrying:  # noqa: B008
    return Retrying(policy, seed, lambda: 1_000.0, lambda delivery: 1_000.0 - age)


@given(st.floats(0, 5_000), st.integers(1, 60), st.text(max_size=5))
def test_a_wait_is_never_shorter_than_asked_and_never_much_longer_than_the_longest(
    asked: float, attempts: int, seed: str
) -> None:
    wait = retrying(seed=seed).due(asked, attempts) - 1_000.0
    assert asked - 1e-6 <= wait <= max(asked, LONGEST * (1 + JITTER)) + 1e-6


@given(st.text(max_size=5))
def test_waits_grow(seed: str) -> None:
    waits = [retrying(seed=seed).due(0.0, attempts) for attempts in range(1, 8)]
    assert waits == sorted(waits) and waits[-1] - 1_000.0 > 30


def test_two_runs_do_not_keep_in_step_and_one_run_keeps_its_own() -> None:
    assert retrying(seed="a").due(0, 5) != retrying(seed="b").due(0, 5)
    assert retrying(seed="a").due(0, 5) == retrying(seed="a").due(0, 5)


def test_it_is_given_up_by_number_and_by_age() -> None:
    assert [retrying().over(attempts, 1) for attempts in (1, 9, 10)] == [False, False, True]
    assert retrying(RetryPolicy(2)).over(2, 1)
    old = retrying(RetryPolicy(give_up_after=60.0), age=61.0)
    assert (old.over(1, 1), old.over(2, 1)) == (False, True), "whatever its age, it is tried twice"


def test_a_vendor_that_stays_away_makes_leads_fail_in_the_end(bench: Bench) -> None:
    bench.leads([{"Last Name": "Quill", "E-mail": "ada@fernhill.example"}])
    bench.marketo().add_fault(match="leads.json", status=503, times=-1)
    spec = bench.spec(source={"columns": {"E-mail": "email"}})
    text = spec.read_text("utf-8").replace('"destination": {', '"destination": {"retry": {"give_up_after": 120},')
    spec.write_text(text, "utf-8")
    began = bench.clock.now()
    summary = bench.run()
    if summary.exit_code == 5:  # tired of the vendor before the lead was given up: the same command goes on
        summary = bench.run()
    assert bench.failures() == {"ada@fernhill.example": "UNKNOWN_OUTCOME"}, "a server's failure tells nothing"
    assert 100 < bench.clock.now() - began < 900
    assert summary.exit_code == 1
    bench.marketo().faults.clear()
    assert bench.retry().totals["cleared"] == 1
