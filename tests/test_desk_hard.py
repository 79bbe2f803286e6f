"""Hard cases of buying answers: refused people, answers that cross each other, two steps of one provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.asking import EnrichAnswer, Inquiry, Price
from tests.waterfall_helpers import Bed, Provider, hit


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    found = Bed(tmp_path)
    yield found
    found.close()


SUPPRESSED = EnrichAnswer("suppressed", detail="opted out")


def test_a_refusal_survives_a_kill_right_after_its_answer_was_stored(bed: Bed, monkeypatch: Any) -> None:
    one = Provider("one", ["city"], lambda lead: SUPPRESSED, inputs=["linkedin_url"])
    two = Provider("two", ["country"], lambda lead: hit(country="Norway"), inputs=["email"])
    bed.leads({"linkedin_url": "https://www.linkedin.com/in/a", "email": "a@x.example"})

    class Killed(BaseException):
        pass

    def die(*args: Any) -> None:
        raise Killed

    monkeypatch.setattr(type(bed.store.refusals), "add", die)
    with pytest.raises(Killed):
        bed.run([{"use": "one"}], one)
    monkeypatch.undo()
    bed.again()
    bed.run([{"use": "one"}, {"use": "two"}], one, two)
    assert two.asked == []
    # Another lead of the same person, in another file later.
    bed.leads({"email": "a@x.example"})
    bed.run([{"use": "one"}, {"use": "two"}], one, two)
    assert two.asked == []


def test_a_refusal_holds_at_once_for_other_leads_of_the_person(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: SUPPRESSED, inputs=["linkedin_url"])
    slow = Provider("slow", ["industry"], lambda lead: hit(industry="x"), inputs=["company"])
    two = Provider("two", ["country"], lambda lead: hit(country="Norway"), inputs=["email"])
    bed.leads(
        {"linkedin_url": "https://www.linkedin.com/in/a", "email": "a@x.example"},
        {"email": "a@x.example", "company": "B"},
    )
    # the second lead waits at slow while the first is told to be suppressed
    bed.run([{"use": "one"}, {"use": "slow"}, {"use": "two"}], one, slow, two)
    assert two.asked == []


def test_a_person_who_becomes_known_on_the_way_is_not_asked_about(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: SUPPRESSED, inputs=["email"])
    finder = Provider("finder", ["email"], lambda lead: hit(email="a@x.example"), inputs=["last_name"])
    two = Provider("two", ["country"], lambda lead: hit(country="Norway"), inputs=["email"])
    bed.leads({"email": "a@x.example"})
    bed.run([{"use": "one"}], one)
    bed.leads({"last_name": "Quill"})
    bed.run([{"use": "finder"}, {"use": "two"}], finder, two)
    assert two.asked == []


def test_a_refused_lead_stays_refused_though_little_is_known_of_it(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: SUPPRESSED, inputs=["last_name"])
    two = Provider("two", ["country"], lambda lead: hit(country="Norway"), inputs=["last_name"])
    bed.leads({"last_name": "Quill", "company": "B"})
    bed.run([{"use": "one"}, {"use": "two"}], one, two)
    assert two.asked == []
    bed.again()
    bed.run([{"use": "two"}, {"use": "one"}], one, two)  # another order, the same lead
    assert two.asked == []


def test_a_refused_person_is_known_by_a_number_in_another_form(bed: Bed) -> None:
    def normal(lead: Mapping[str, Any]) -> EnrichAnswer:
        return hit(phone="+12025550143")

    tidy = Provider("tidy", ["phone"], normal, inputs=["phone"], offline=True, rewrites=True)
    one = Provider("one", ["city"], lambda lead: SUPPRESSED, inputs=["phone"])
    two = Provider("two", ["country"], lambda lead: hit(country="Norway"), inputs=["phone"])
    bed.leads({"phone": "(202) 555-0143"})
    bed.run([{"use": "tidy"}, {"use": "one"}], tidy, one)
    bed.leads({"phone": "(202) 555-0143"})
    bed.run([{"use": "tidy"}, {"use": "two"}], tidy, two)
    assert two.asked == []


def test_a_company_that_is_suppressed_says_nothing_of_its_people(bed: Bed) -> None:
    one = Provider("one", ["industry"], lambda lead: SUPPRESSED, inputs=["company_domain"])
    one.personal = False
    bed.leads(
        {"company_domain": "x.example", "email": "a@x.example"}, {"company_domain": "x.example", "email": "b@x.example"}
    )
    bed.run([{"use": "one"}], one)
    assert bed.sql("SELECT count(*) FROM enrichment_refusals") == [(0,)]
    assert bed.outcomes(2) == {"one": "suppressed"} and len(one.asked) == 1


def test_the_status_of_an_address_goes_with_it(bed: Bed) -> None:
    one = Provider("one", ["email"], lambda lead: hit(confidence=0.5, status="valid", email="first@x.example"))
    two = Provider("two", ["email"], lambda lead: hit(confidence=0.9, status="", email="second@x.example"))
    bed.leads({"last_name": "Quill"})
    bed.run({"steps": [{"use": "one"}, {"use": "two"}], "fields": {"email": {"choose": "best"}}}, one, two)
    assert bed.fields()["email"] == "second@x.example"
    assert bed.fields().get("email_status") in (None, ""), bed.fields()


def test_two_steps_of_one_provider_share_a_pending_call(bed: Bed) -> None:
    one = Provider(
        "one",
        ["city"],
        lambda lead: EnrichAnswer("pending", ticket="t", after=5),
        waits_for=1000,
        later=lambda i: EnrichAnswer("pending", after=5) if i.age < 500 else hit(city="Oslo"),
    )
    bed.leads({"last_name": "Quill"}, {"last_name": "Quill"})
    bed.run({"steps": [{"use": "one"}, {"use": "one", "label": "b"}], "deadline": 60}, one)
    assert bed.sql("SELECT count(*) FROM leads WHERE status = 'enriched'") == [(2,)]
    assert bed.sql("SELECT state FROM paid_calls") == [("pending",)]
    bed.again()
    bed.time += 600
    bed.run({"steps": [{"use": "one"}], "deadline": 60}, one)
    assert bed.fields()["city"] == "Oslo"
    assert bed.sql("SELECT state FROM paid_calls") == [("answered",)] and len(one.asked) == 1


def test_of_two_questions_on_one_pending_call_the_later_undoes_nothing(bed: Bed) -> None:
    """Two narrower questions hang on one pending call: the second settlement must not undo the first."""
    polls = []

    def later(inquiry: Inquiry) -> EnrichAnswer:
        polls.append(inquiry.wanted)
        if inquiry.age < 700:
            return EnrichAnswer("pending", after=5)
        if [1 for p in polls if p] and inquiry.wanted == ("phone",):
            return EnrichAnswer("error", lost=True, detail="lost")
        return hit(email="a@x.example", phone="+12025550143")

    one = Provider(
        "one",
        ["email", "phone"],
        lambda lead: EnrichAnswer("pending", ticket="t", after=5),
        by_wanted=True,
        waits_for=10000,
        later=later,
    )
    bed.leads({"last_name": "Quill"})
    bed.run({"steps": [{"use": "one"}], "deadline": 60}, one)
    assert bed.sql("SELECT state FROM paid_calls") == [("pending",)]
    bed.again()
    bed.leads({"last_name": "Quill", "phone": "+1999"})
    bed.leads({"last_name": "Quill", "email": "z@x.example"})
    with bed.store.database.transaction() as db:
        db.execute("UPDATE leads SET status='enriched' WHERE id=1")
    bed.run({"steps": [{"use": "one"}]}, one)
    assert len(one.asked) == 1
    assert bed.sql("SELECT state FROM paid_calls") == [("answered",)]


def test_a_question_that_was_put_off_is_looked_up_again(bed: Bed) -> None:
    """A question that was put off (throttled) is looked up again before it is bought."""
    first = []

    def answer(lead: Mapping[str, Any]) -> Any:
        if not first:
            first.append(1)
            return EnrichAnswer("throttled", after=60)
        return hit(email="a@x.example", phone="+12025550143")

    one = Provider("one", ["email", "phone"], answer, by_wanted=True, concurrency=1)
    bed.leads({"last_name": "Quill", "phone": "+1999"}, {"last_name": "Quill"})
    bed.run({"steps": [{"use": "one"}]}, one)
    assert bed.store.ledger.totals()[0].calls == 1


def test_the_budget_of_one_step_holds_for_its_provider(bed: Bed) -> None:
    one = Provider("one", ["city", "country"], lambda lead: hit(city="Oslo"), by_wanted=True)
    bed.leads(*({"last_name": f"Q{n}"} for n in range(50)))
    bed.run([{"use": "one", "want": ["city"], "budget": {"calls": 10}}, {"use": "one", "want": ["country"]}], one)
    assert len(one.asked) == 10


def test_a_budget_of_nothing_buys_nothing(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: hit(city="Oslo"), price=Price(1, "USD"))
    bed.leads(*({"last_name": f"Q{n}"} for n in range(50)))
    bed.run({"steps": [{"use": "one"}], "budget": {"calls": 0}}, one)
    bed.again()
    bed.run({"steps": [{"use": "one"}], "budget": {"cost": 0}}, one)
    bed.again()
    bed.run({"steps": [{"use": "one"}], "budget": {"day": {"cost": 0}}}, one)
    assert one.asked == []
