"""The ledger of paid calls: answers are used until they expire, budgets count what was or may have been charged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.enrichment import Budget
from engine.state import Store
from engine.state.ledger import Ledger, Reservation, Settlement, Wish

NOON = 1_790_000_000.0
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as store:
        yield store


def wish(request: bytes, *fields: str, **settings: Any) -> Wish:
    return Wish(request, frozenset(fields or ("title",)), 1, **settings)


def reserve(
    ledger: Ledger, wished: Wish, run: str = "r1", budget: Budget | None = None, now: float = NOON, who: str = "pdl"
) -> Reservation:
    (found,) = ledger.reserve(who, [wished], run, [(who, budget or Budget())], now)
    return found


def buy(ledger: Ledger, wished: Wish, state: str = "answered", now: float = NOON, **settings: Any) -> int:
    """Reserve and settle at once; returns the call."""
    call = reserve(ledger, wished, settings.pop("run", "r1"), now=now).call_id or 0
    usual = {"outcome": "hit", "answer": {"x": 1}, "expires_at": now + 10 * DAY} if state == "answered" else {}
    ledger.settle([Settlement(call, state, **{**usual, **settings})], now)
    return call


def known(ledger: Ledger, wished: Wish, now: float = NOON, who: str = "pdl") -> Reservation | None:
    return ledger.known(who, [wished], now)[0]


def test_an_answer_is_used_until_it_expires_and_only_for_its_provider_and_question(store: Store) -> None:
    call = buy(store.ledger, wish(b"ada"))
    found = known(store.ledger, wish(b"ada"), NOON + 9 * DAY)
    assert found is not None and (found.call_id, found.answer, found.at) == (call, {"x": 1}, NOON)
    assert known(store.ledger, wish(b"ada"), NOON + 11 * DAY) is None
    assert known(store.ledger, wish(b"bo")) is None and known(store.ledger, wish(b"ada"), who="other") is None


@pytest.mark.parametrize(
    ("had", "wants", "used"),
    [((), ("email",), True), (("email",), ("email",), True), (("email",), ("email", "phone"), False)],
)
def test_an_answer_serves_only_questions_that_it_says_all_about(
    store: Store, had: Sequence[str], wants: Sequence[str], used: bool
) -> None:
    buy(store.ledger, wish(b"ada", *(had or ("email", "phone"))))
    assert (known(store.ledger, wish(b"ada", *wants)) is not None) is used


@pytest.mark.parametrize(
    ("outcome", "asked_with", "asks_with", "used"),
    [("miss", 0.5, 0.7, True), ("miss", 0.7, 0.5, False), ("hit", 0.7, 0.5, True), ("suppressed", 0.7, 0.0, True)],
)
def test_a_miss_stands_for_no_lower_confidence_than_was_asked_for(
    store: Store, outcome: str, asked_with: float, asks_with: float, used: bool
) -> None:
    buy(store.ledger, wish(b"ada", floor=asked_with), outcome=outcome)
    assert (known(store.ledger, wish(b"ada", floor=asks_with)) is not None) is used


def test_an_answer_that_said_more_than_was_asked_serves_more(store: Store) -> None:
    buy(store.ledger, wish(b"ada", "email"), fields=frozenset({"email", "phone"}))
    assert known(store.ledger, wish(b"ada", "phone")) is not None


def test_a_pending_call_is_found_by_its_ticket(store: Store) -> None:
    call = buy(store.ledger, wish(b"ada"), "pending", ticket="t1")
    found = known(store.ledger, wish(b"ada"), NOON + 100 * DAY)
    assert found is not None and (found.call_id, found.ticket, found.at) == (call, "t1", NOON)
    store.ledger.settle([Settlement(call, "answered", "hit", {"y": 2}, 1.0, expires_at=NOON + DAY)], NOON + 5)
    found = known(store.ledger, wish(b"ada"))
    assert found is not None and found.answer == {"y": 2}


def test_a_budget_of_calls_counts_what_was_or_may_have_been_charged(store: Store) -> None:
    for number, state in enumerate(["answered", "unanswered", "void"]):
        buy(store.ledger, wish(bytes([number])), state)
    budget = Budget(calls=3)
    assert reserve(store.ledger, wish(b"next"), budget=budget).call_id is not None
    refused = reserve(store.ledger, wish(b"one more"), budget=budget)
    assert refused.call_id is None and "budget of a run, 3 calls" in refused.refusal
    assert reserve(store.ledger, wish(b"one more"), "r2", budget).call_id is not None, "each run has its own"


def test_money_is_reserved_at_the_most_and_corrected_when_the_call_is_settled(store: Store) -> None:
    budget = Budget(cost=1.0)
    dear = wish(b"a", amount=700_000, currency="USD")
    call = reserve(store.ledger, dear, budget=budget).call_id or 0
    assert "1 USD" in reserve(store.ledger, wish(b"b", amount=400_000, currency="USD"), budget=budget).refusal
    store.ledger.settle([Settlement(call, "answered", "hit", {"x": 1}, 1.0, 100_000)], NOON)
    assert reserve(store.ledger, wish(b"b", amount=400_000, currency="USD"), budget=budget).call_id is not None
    (totals,) = store.ledger.totals("r1")
    assert (totals.amount, totals.possible, totals.currency) == (0.1, 0.4, "USD")


def test_a_budget_of_a_day_holds_over_runs_and_ends_with_the_day(store: Store) -> None:
    budget = Budget(day_calls=1)
    assert reserve(store.ledger, wish(b"a"), "r1", budget).call_id is not None
    assert "day" in reserve(store.ledger, wish(b"b"), "r2", budget, NOON + 60).refusal
    assert reserve(store.ledger, wish(b"b"), "r2", budget, NOON + DAY).call_id is not None


def test_a_budget_for_all_together_counts_every_provider(store: Store) -> None:
    whole = [("pdl", Budget()), ("", Budget(calls=1))]
    (first,) = store.ledger.reserve("pdl", [wish(b"a")], "r1", whole, NOON)
    (second,) = store.ledger.reserve("hunter", [wish(b"a")], "r1", [("hunter", Budget()), ("", Budget(calls=1))], NOON)
    assert first.call_id is not None and "all providers together" in second.refusal


def test_calls_in_flight_at_a_kill_are_counted_as_possibly_charged(tmp_path: Path) -> None:
    with Store(tmp_path / "state.db") as store:
        for number in range(2):
            assert reserve(store.ledger, wish(bytes([number]), amount=500_000, currency="EUR")).call_id is not None
    with Store(tmp_path / "state.db") as store:
        assert (store.ledger.close_open(5.0), store.ledger.close_open(6.0)) == (2, 0)
        (totals,) = store.ledger.totals()
        assert (totals.calls, totals.answered, totals.unanswered, totals.cost) == (2, 0, 2, 0)
        assert (totals.amount, totals.possible) == (0, 1.0)
        assert reserve(store.ledger, wish(bytes([0])), "r2").call_id is not None, (
            "no answer came: it may be asked again"
        )


def test_what_never_gets_an_answer_is_left_alone_for_a_day_but_not_because_of_kills(store: Store) -> None:
    for _ in range(5):
        reserve(store.ledger, wish(b"ada"))
        store.ledger.close_open(NOON)
    for _ in range(3):
        buy(store.ledger, wish(b"ada"), "unanswered", outcome="no_answer")
    assert "without an answer" in reserve(store.ledger, wish(b"ada")).refusal
    assert reserve(store.ledger, wish(b"ada"), now=NOON + 2 * DAY).call_id is not None


def test_no_secret_is_kept_with_an_answer(store: Store) -> None:
    from engine.redaction import remember_secret

    remember_secret("hidden-key-4711")
    buy(store.ledger, wish(b"ada"), answer={"detail": "your key hidden-key-4711 is fine"})
    found = known(store.ledger, wish(b"ada"))
    assert found is not None and "hidden-key-4711" not in str(found.answer)
