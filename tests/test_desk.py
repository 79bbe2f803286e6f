"""Buying answers: once for all who ask, in batches, later, within budgets, and never twice across crashes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.asking import EnrichAnswer, Inquiry, Price
from engine.errors import NotTaken, RetryLater
from tests.waterfall_helpers import Bed, Provider, hit

ADA = {"first_name": "Ada", "last_name": "Quill", "company": "Brightloom"}


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    found = Bed(tmp_path)
    yield found
    found.close()


def people(count: int, companies: int = 1_000_000) -> list[dict[str, Any]]:
    return [
        {"first_name": "Ada", "last_name": f"Quill{n}", "company_domain": f"firm{n % companies}.example"}
        for n in range(count)
    ]


def company(lead: Mapping[str, Any]) -> EnrichAnswer:
    return hit(industry="Pumps", company_size="50")


def test_an_answer_about_a_company_is_bought_once_for_all_its_leads_now_and_later(bed: Bed) -> None:
    one = Provider("one", ["industry", "company_size"], company, inputs=["company_domain"], concurrency=16)
    bed.leads(*people(600, 40))
    bed.run([{"use": "one", "want": ["industry"]}], one)
    bed.leads(*people(40, 40))
    bed.run([{"use": "one", "want": ["industry", "company_size"]}], one)
    assert len(one.asked) == 40
    assert bed.sql("SELECT count(*) FROM leads WHERE status = 'enriched'") == [(640,)]
    assert bed.sql("SELECT count(*) FROM enriched_values WHERE field = 'industry'") == [(640,)]
    # It was bought by the first lead of each company: what the others have of it cost nothing.
    assert bed.sql("SELECT total(cost) FROM enrichment_steps") == [(40.0,)]
    assert bed.sql("SELECT count(*) FROM enrichment_steps WHERE known = 1") == [(600,)]


def test_an_answer_that_does_not_tell_what_is_wanted_now_is_not_used_for_it(bed: Bed) -> None:
    one = Provider("one", ["email", "mobile_phone"], lambda lead: hit(email="a@x.example", mobile_phone="+1"),
                   by_wanted=True)  # fmt: skip
    bed.leads(ADA)
    bed.run([{"use": "one", "want": ["email"]}], one)
    bed.again()
    bed.run([{"use": "one", "want": ["mobile_phone"]}], one)
    bed.again()
    bed.run([{"use": "one"}], one)
    assert len(one.asked) == 2


def test_answers_are_bought_anew_when_they_are_too_old(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: EnrichAnswer("miss", cost=1.0, valid_for=10 * 86_400.0))
    bed.leads(ADA)
    steps = {"use": "one", "max_age": 5}
    for days, asked in ((0, 1), (4, 1), (6, 2), (7, 2), (30, 3)):
        bed.time = 1_790_000_000.0 + days * 86_400
        bed.run([steps], one)
        bed.again()
        assert len(one.asked) == asked, days


def test_questions_travel_in_batches_where_the_provider_takes_them(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: hit(city=lead["last_name"]), batch=25, concurrency=2)
    bed.leads(*people(110))
    bed.run([{"use": "one"}], one)
    assert sum(one.batches) == 110 and max(one.batches) == 25 and len(one.batches) <= 7
    assert [bed.fields(n)["city"] for n in (1, 60, 110)] == ["Quill0", "Quill59", "Quill109"]


def test_a_record_that_has_its_batch_refused_is_asked_alone(bed: Bed) -> None:
    def answer(lead: Mapping[str, Any]) -> EnrichAnswer:
        return EnrichAnswer("bad_request") if poison or lead["last_name"] == "Quill3" else hit(city="Oslo")

    poison = False

    class Whole(Provider):
        def enrich_batch(self, inquiries: Any) -> Any:
            nonlocal poison
            poison = len(inquiries) > 1 and any(inquiry.lead["last_name"] == "Quill3" for inquiry in inquiries)
            return super().enrich_batch(inquiries)

    one = Whole("one", ["city"], answer, batch=10, concurrency=1)
    bed.leads(*people(10))
    bed.run([{"use": "one"}], one)
    assert [bed.outcomes(n)["one"] for n in (1, 4, 10)] == ["hit", "bad_request", "hit"]
    assert bed.store.ledger.totals()[0].calls == 10


def test_an_answer_that_takes_long_is_asked_for_until_it_is_there(bed: Bed) -> None:
    polls: list[float] = []

    def later(inquiry: Inquiry) -> EnrichAnswer:
        polls.append(inquiry.age)
        return EnrichAnswer("pending", after=5) if inquiry.age < 30 else hit(city="Oslo")

    one = Provider("one", ["city"], lambda lead: EnrichAnswer("pending", ticket="t1", after=5), later=later)
    two = Provider("two", ["country"], lambda lead: hit(country="Norway"))
    bed.leads(ADA)
    bed.run([{"use": "one"}, {"use": "two"}], one, two)
    assert bed.fields()["city"] == "Oslo" and bed.fields()["country"] == "Norway"
    assert len(one.asked) == 1 and polls[0] >= 5 and len(polls) < 10
    assert bed.sql("SELECT state, cost FROM paid_calls WHERE provider = 'one'") == [("answered", 1.0)]


def test_an_answer_that_never_comes_is_given_up_and_shown_as_possibly_charged(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: EnrichAnswer("pending", ticket="t1", after=5),
                   later=lambda inquiry: EnrichAnswer("pending", after=5), waits_for=60)  # fmt: skip
    bed.leads(ADA)
    bed.run([{"use": "one"}], one)
    assert bed.outcomes() == {"one": "error"} and "60 seconds" in bed.details()["one"]
    assert bed.store.ledger.totals()[0].unanswered == 1


def test_a_lead_goes_on_at_its_deadline_and_what_it_waited_for_is_fetched_later_without_buying_it_again(
    bed: Bed,
) -> None:
    done = False
    one = Provider("one", ["city"], lambda lead: EnrichAnswer("pending", ticket="t1", after=5),
                   later=lambda inquiry: hit(city="Oslo") if done else EnrichAnswer("pending", after=5))  # fmt: skip
    two = Provider("two", ["country"], lambda lead: hit(country="Norway"))
    bed.leads(ADA)
    before = bed.time
    bed.run({"steps": [{"use": "one"}, {"use": "two"}], "deadline": 20}, one, two)
    assert bed.time - before < 30 and bed.lead()["status"] == "enriched"
    assert bed.fields().get("city") is None and two.asked == []  # its time was over
    done = True
    bed.again()
    bed.run([{"use": "one"}, {"use": "two"}], one, two)
    assert bed.fields()["city"] == "Oslo" and len(one.asked) == 1


def test_what_a_throttled_provider_does_not_take_is_no_attempt_and_costs_nothing(bed: Bed) -> None:
    left = [5]

    def answer(lead: Mapping[str, Any]) -> Any:
        left[0] -= 1
        return NotTaken("too fast", after=3.0) if left[0] >= 0 else hit(city="Oslo")

    bed.leads(ADA)
    bed.run([{"use": "one"}], Provider("one", ["city"], answer))
    assert bed.fields()["city"] == "Oslo"
    assert [(t.calls, t.cost) for t in bed.store.ledger.totals()] == [(1, 1.0)]


@pytest.mark.parametrize("workers", [1, 4, 16, 32])
@pytest.mark.parametrize("budget", [{"calls": 37}, {"day": {"calls": 37}}, {"cost": 3.7}, {"day": {"cost": 3.79}}])
@pytest.mark.parametrize("whole", [False, True])
def test_a_budget_is_never_exceeded_by_one_call(bed: Bed, workers: int, budget: Any, whole: bool) -> None:
    one = Provider("one", ["city"], lambda lead: hit(city="Oslo"), concurrency=workers, price=Price(0.1))
    bed.leads(*people(80))
    step = {"use": "one", **({} if whole else {"budget": budget})}
    bed.run({"steps": [step], **({"budget": budget} if whole else {})}, one)
    assert len(one.asked) == 37
    assert [note for note in bed.notes if "budget" in note]
    assert bed.sql("SELECT count(*) FROM leads WHERE status = 'enriched'") == [(80,)]
    assert bed.store.ledger.totals()[0].amount == pytest.approx(3.7)


@given(
    budget=st.integers(0, 12),
    kinds=st.lists(st.sampled_from(["hit", "miss", "void", "lost", "throttled", "dear"]), min_size=1, max_size=25),
    workers=st.integers(1, 8),
)
@settings(max_examples=12, deadline=None)
def test_no_sequence_of_answers_makes_a_budget_be_exceeded(
    tmp_path_factory: pytest.TempPathFactory, budget: int, kinds: list[str], workers: int
) -> None:
    bed = Bed(tmp_path_factory.mktemp("bed"))
    charged, lock, throttled = [0], threading.Lock(), set()

    def answer(lead: Mapping[str, Any]) -> Any:
        kind = kinds[int(lead["last_name"][5:])]
        if kind == "void":
            return RetryLater("no effect", after=0.1)
        if kind == "throttled" and lead["last_name"] not in throttled:
            throttled.add(lead["last_name"])
            return NotTaken("too fast", after=0.1)
        if kind == "lost":
            return ValueError("broke")
        with lock:
            charged[0] += 3 if kind == "dear" else 1
        return hit(3.0 if kind == "dear" else 1.0, city="Oslo") if kind != "miss" else EnrichAnswer("miss", cost=1.0)

    one = Provider("one", ["city"], answer, concurrency=workers, price=Price(1.0), most=3.0)
    bed.leads(*people(len(kinds)))
    bed.run([{"use": "one", "budget": {"cost": budget}}], one)
    (total,) = bed.sql(
        "SELECT coalesce(sum(amount), 0) FROM spending WHERE provider = 'one' AND period GLOB '????-??-??'"
    )
    assert charged[0] <= budget and total[0] <= budget * 1_000_000
    assert bed.sql("SELECT count(*) FROM leads WHERE status = 'enriched'") == [(len(kinds),)]
    bed.close()


def test_what_was_in_flight_at_a_kill_is_counted_as_possibly_charged_and_what_was_answered_is_not_bought_again(
    bed: Bed,
) -> None:
    gate = threading.Event()

    def answer(lead: Mapping[str, Any]) -> EnrichAnswer:
        if len(one.asked) > 4:
            gate.wait(10)
        return hit(city="Oslo")

    one = Provider("one", ["city"], answer, concurrency=2, price=Price(0.5))
    bed.leads(*people(10))
    stage = bed.stage([{"use": "one"}], one)
    while len(one.asked) <= 4:
        stage.step(flush=True)
    in_flight = len(stage.in_flight)
    settled = bed.sql("SELECT count(*) FROM paid_calls WHERE state = 'answered'")[0][0]
    # The process dies here: nothing more is settled.
    other = Bed(bed.path.parent)
    other.run([{"use": "one"}], two := Provider("one", ["city"], lambda lead: hit(city="Oslo")))
    (totals,) = other.store.ledger.totals()
    assert totals.unanswered == in_flight and totals.possible == pytest.approx(0.5 * in_flight)
    assert len(two.asked) == 10 - settled
    assert other.sql("SELECT count(*) FROM leads WHERE status = 'enriched'") == [(10,)]
    gate.set()
    other.close()


def test_a_pending_answer_survives_a_kill(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: EnrichAnswer("pending", ticket="t1", after=5))
    bed.leads(ADA)
    stage = bed.stage([{"use": "one"}], one)
    while not bed.sql("SELECT 1 FROM paid_calls WHERE state = 'pending'"):
        stage.step(flush=True)
    other = Bed(bed.path.parent)
    two = Provider("one", ["city"], None, later=lambda inquiry: hit(city=f"by {inquiry.ticket}"))
    other.run([{"use": "one"}], two)
    assert other.fields()["city"] == "by t1" and two.asked == []
    other.close()


def test_calls_at_once_stay_within_what_the_provider_allows(bed: Bed) -> None:
    barrier = threading.Barrier(3, timeout=10)

    def answer(lead: Mapping[str, Any]) -> EnrichAnswer:
        barrier.wait()  # three must be under way at once for any to go on
        return hit(city="Oslo")

    one = Provider("one", ["city"], answer, concurrency=3)
    bed.leads(*people(30))
    bed.run([{"use": "one"}], one)
    assert one.most_at_once == 3 and len(one.asked) == 30


def test_leads_do_not_wait_for_each_others_slow_answers(bed: Bed) -> None:
    slow = Provider("slow", ["city"], lambda lead: EnrichAnswer("pending", ticket=lead["last_name"], after=60),
                    later=lambda inquiry: hit(city="Oslo"))  # fmt: skip
    bed.leads(*people(600))
    before = bed.time
    bed.run([{"use": "slow"}], slow)
    assert bed.time - before < 200
    assert bed.sql("SELECT count(*) FROM enriched_values") == [(600,)]


@pytest.mark.parametrize("workers", [1, 8, 32])
@pytest.mark.parametrize(("leads", "companies"), [(2_000, 300), pytest.param(20_000, 3_000, marks=pytest.mark.torture)])
def test_each_company_is_bought_once_however_many_workers(bed: Bed, workers: int, leads: int, companies: int) -> None:
    firms = [f"firm{n * 7_919 % companies}.example" for n in range(leads)]
    one = Provider("one", ["industry"], company, inputs=["company_domain"], concurrency=workers)
    bed.leads(*({"last_name": f"Quill{n}", "company_domain": firm} for n, firm in enumerate(firms)))
    bed.run([{"use": "one"}], one)
    assert sorted(lead["company_domain"] for lead in one.asked) == sorted(set(firms))
    assert bed.sql("SELECT count(*) FROM enriched_values") == [(leads,)]
    assert bed.store.ledger.totals()[0].cost == companies


def test_a_provider_that_takes_no_call_for_long_is_given_up(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: NotTaken("too fast", after=30.0))
    two = Provider("two", ["city"], lambda lead: EnrichAnswer("throttled", after=30.0))
    bed.leads(ADA)
    before = bed.time
    bed.run([{"use": "one"}, {"use": "two"}], one, two)
    assert 1_200 <= bed.time - before < 1_400
    assert bed.outcomes() == {"one": "quota", "two": "quota"} and bed.store.ledger.totals() == []


def test_of_a_batch_only_the_questions_without_an_answer_are_possibly_charged(bed: Bed) -> None:
    def answer(lead: Mapping[str, Any]) -> EnrichAnswer:
        return EnrichAnswer("error", detail="cut off", lost=True) if lead["last_name"] == "Quill3" else hit(city="Oslo")

    bed.leads(*people(10))
    bed.run([{"use": "one"}], Provider("one", ["city"], answer, batch=10))
    (totals,) = bed.store.ledger.totals()
    assert (totals.calls, totals.answered, totals.unanswered, totals.cost) == (10, 9, 1, 9.0)
    assert bed.outcomes(4) == {"one": "error"}
