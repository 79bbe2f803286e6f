"""What the ledger says of providers: counts, costs by field, what the order cost, and a better one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.asking import EnrichAnswer, Price
from engine.errors import NoAnswer
from engine.state.provider_stats import Figures, ProviderFigures
from tests.waterfall_helpers import Bed, Provider, hit

DOLLAR = Price(0.5, "USD")


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    found = Bed(tmp_path)
    yield found
    found.close()


def person(number: int, **more: str) -> dict[str, Any]:
    return {"first_name": "Ada", "last_name": f"Quill{number}", "company": "Fernhill", **more}


def number_of(lead: Mapping[str, Any]) -> int:
    return int(str(lead["last_name"]).removeprefix("Quill"))


def named(figures: Figures) -> dict[str, ProviderFigures]:
    return {each.provider: each for each in figures.providers}


def test_calls_are_counted_by_how_they_ended(bed: Bed) -> None:
    ends = [hit(2.0, email="a@x.example"), EnrichAnswer("miss", cost=1.0), EnrichAnswer("rejected"),
            EnrichAnswer("error"), NoAnswer("gone"), hit(1.0, confidence=0.1, email="b@x.example")]  # fmt: skip
    one = Provider("one", ["email"], lambda lead: ends[number_of(lead)], most=2.0, price=DOLLAR)
    bed.leads(*(person(number) for number in range(6)))
    bed.run([{"use": "one", "min_confidence": 0.5}], one)
    found = named(bed.store.provider_stats.figures())["one"]
    assert (found.asked, found.hits, found.misses, found.rejected, found.errors, found.unanswered) == (6, 1, 1, 2, 1, 1)
    assert (found.answered, found.hit_share) == (5, 0.2)
    assert (found.cost, found.amount, found.possible, found.currency) == (4.0, 2.0, 1.0, "USD")
    assert (found.median, found.slow) == (0.0, 0.0)


def test_a_calls_cost_is_split_over_what_it_won_and_an_answer_used_again_adds_none(bed: Bed) -> None:
    both = Provider("both", ["email", "job_title"], lambda lead: hit(1.0, email="a@x.example", job_title="Buyer"),
                    inputs=["company"], price=DOLLAR)  # fmt: skip
    bed.leads(person(1), person(2))
    bed.run([{"use": "both"}], both)
    found = named(bed.store.provider_stats.figures())["both"]
    assert {name: (each.values, each.cost, each.amount) for name, each in found.fields.items()} == {
        "email": (2, 0.5, 0.25), "job_title": (2, 0.5, 0.25),
    }  # fmt: skip
    assert (found.reused, found.reused_cost, found.reused_amount) == (1, 1.0, 0.5)


def test_each_run_and_each_integration_has_figures_of_its_own(bed: Bed) -> None:
    one = Provider("one", ["email"], lambda lead: EnrichAnswer("miss", cost=1.0))
    bed.leads(person(1))
    bed.run([{"use": "one"}], one)
    first = bed.store.runs.last()
    bed.time += 10
    bed.leads(*(person(number) for number in (2, 3)))
    bed.run([{"use": "one"}], one)
    last = bed.store.runs.last()
    assert first is not None and last is not None
    stats = bed.store.provider_stats
    assert [named(stats.figures(run))["one"].asked for run in (first.id, last.id, None)] == [1, 2, 3]
    assert named(stats.figures(None, "expo"))["one"].asked == 3
    assert stats.figures(None, "other").providers == []


def test_the_summary_of_a_run_has_money_what_is_open_and_what_was_saved(bed: Bed) -> None:
    def answer(lead: Mapping[str, Any]) -> EnrichAnswer | BaseException:
        return NoAnswer("gone") if number_of(lead) == 2 else hit(1.0, email="a@x.example")

    one = Provider("one", ["email"], answer, price=DOLLAR)
    bed.leads(person(1), person(2), person(1))
    bed.run([{"use": "one"}], one)
    run = bed.store.runs.last()
    assert run is not None
    (paid,) = bed.store.provider_stats.paid(run.id)
    assert paid == {
        "provider": "one", "calls": 2, "answered": 1, "possibly_charged": 1, "pending": 0, "cost": 1.0, "amount": 0.5,
        "possible_amount": 0.5, "currency": "USD", "reused": 1, "saved_cost": 1.0, "saved_amount": 0.5,
    }  # fmt: skip


def _market(bed: Bed, leads: int = 60) -> None:
    """A dear provider that seldom knows is asked before a cheap one that often does; some had an address before."""
    dear = Provider("dear", ["email"], lambda lead: hit(4.0, email="d@x.example") if number_of(lead) % 4 == 0
                    else EnrichAnswer("miss", cost=4.0), most=4.0, price=DOLLAR)  # fmt: skip
    cheap = Provider("cheap", ["email"], lambda lead: hit(1.0, email="c@x.example") if number_of(lead) % 3
                     else EnrichAnswer("miss", cost=1.0), price=DOLLAR)  # fmt: skip
    bed.leads(*(person(number) for number in range(leads)), person(leads, email="had@x.example"))
    bed.run([{"use": "dear"}, {"use": "cheap"}], dear, cheap)


def test_a_cheaper_order_is_suggested_with_what_both_cost(bed: Bed) -> None:
    _market(bed)
    figures = bed.store.provider_stats.figures()
    (better,) = figures.suggestions
    assert (better.field, better.now, better.better, better.currency) == (
        "email", ("dear", "cheap"), ("cheap", "dear"), "USD",
    )  # fmt: skip
    assert better.costs == pytest.approx((2.0 + 0.75 * 0.5, 0.5 + (1 - 30 / 45) * 2.0))
    assert better.saving == pytest.approx(1 - better.costs[1] / better.costs[0])


def test_what_the_order_cost_is_the_calls_that_gave_nothing_before_another_won(bed: Bed) -> None:
    _market(bed)
    found = named(bed.store.provider_stats.figures())
    assert (found["dear"].vain, found["dear"].vain_cost, found["dear"].vain_amount) == (30, 120.0, 60.0)
    assert found["cheap"].vain == 0


def test_a_call_was_in_vain_only_for_what_it_was_to_find_and_what_another_found_after_it(bed: Bed) -> None:
    """An answer says all about more fields than were wanted; those count neither here nor for a better order."""
    both = ["email", "job_title"]
    mail = Provider("mail", both, lambda lead: hit(2.0, email="m@x.example") if number_of(lead) % 2
                    else EnrichAnswer("miss", cost=2.0), most=2.0, price=DOLLAR)  # fmt: skip
    title = Provider("title", both, lambda lead: hit(1.0, job_title="Buyer", email="t@x.example")
                     if number_of(lead) % 4 else EnrichAnswer("miss", cost=1.0), price=DOLLAR)  # fmt: skip
    bed.leads(*(person(number) for number in range(120)))
    bed.run([{"use": "mail", "want": ["email"]}, {"use": "title"}], mail, title)
    with bed.store.database.transaction() as db:
        db.execute('UPDATE paid_calls SET fields = \'["email", "job_title"]\'')
    figures = bed.store.provider_stats.figures()
    found = named(figures)
    # Nobody found an address of every fourth; the title that the second found of others was not the first's to find.
    assert (found["mail"].vain, found["title"].vain) == (30, 0)
    (better,) = figures.suggestions
    assert better.costs == pytest.approx((1.0 + 0.5 * 0.5, 0.5 + 0.5 * 1.0))


def test_no_order_is_suggested_on_few_figures_or_without_a_price(bed: Bed, tmp_path: Path) -> None:
    _market(bed, leads=20)
    assert bed.store.provider_stats.figures().suggestions == []
    with bed.store.database.transaction() as db:
        db.execute("UPDATE paid_calls SET currency = '' WHERE provider = 'dear'")
    _market(bed, leads=200)
    with bed.store.database.transaction() as db:
        db.execute("UPDATE paid_calls SET currency = '' WHERE provider = 'dear'")
    assert bed.store.provider_stats.figures().suggestions == []


def test_the_time_that_it_takes_grows_with_the_calls_and_no_faster(bed: Bed) -> None:
    bed.leads(person(1))
    run = bed.store.runs.last()
    assert run is not None
    count = 20_000
    with bed.store.database.transaction() as db:
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO paid_calls (id, provider, request, run_id, state, outcome, cost, amount, currency, opened_at,"
            " settled_at, fields, lead_id, answer) SELECT i, CASE i % 2 WHEN 0 THEN 'one' ELSE 'two' END,"
            " randomblob(32), ?, 'answered', CASE i % 3 WHEN 0 THEN 'miss' ELSE 'hit' END, 1, 1000, 'USD', i, i + 0.5,"
            " json_array('email'), i / 2, '{}' FROM n",
            [count, run.id],
        )
        db.execute(
            "INSERT INTO enrichment_steps (lead_id, step, provider, outcome, detail, at, call_id)"
            " SELECT lead_id, id % 2, provider, outcome, '', 1, id FROM paid_calls"
        )
        db.execute(
            "INSERT OR IGNORE INTO enriched_values (lead_id, field, provider, value, confidence, cost, at, call_id)"
            " SELECT lead_id, 'email', provider, '1', 1, 1, 1, id FROM paid_calls WHERE outcome = 'hit'"
        )
        db.execute(
            "INSERT OR IGNORE INTO profiles (lead_id, data)"
            " SELECT lead_id, json_object('f', json_object('email', 'x')) FROM paid_calls"
        )
    started = time.process_time()
    found = bed.store.provider_stats.figures()
    assert sum(each.asked for each in found.providers) == count
    assert time.process_time() - started < 2, "a tenth of a state with 200,000 calls"
