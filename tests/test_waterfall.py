"""The waterfall: who is asked for what in which order, what is taken, what is not and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.asking import EnrichAnswer, Finding
from engine.errors import CredentialsError, NoAnswer, RetryLater, VendorUnavailable
from tests.waterfall_helpers import Bed, Provider, hit

ADA = {"first_name": "Ada", "last_name": "Quill", "company": "Brightloom"}


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    found = Bed(tmp_path)
    yield found
    found.close()


def miss() -> EnrichAnswer:
    return EnrichAnswer("miss")


def test_the_first_that_has_a_field_gives_it_and_the_next_is_asked_for_the_rest(bed: Bed) -> None:
    one = Provider("one", ["email", "job_title"], lambda lead: hit(email="ada@x.example"))
    two = Provider("two", ["email", "job_title"], lambda lead: hit(email="other@x.example", job_title="Buyer"))
    three = Provider("three", ["email"], lambda lead: hit(email="third@x.example"))
    bed.leads(ADA)
    bed.run([{"use": "one"}, {"use": "two"}, {"use": "three"}], one, two, three)
    assert bed.fields()["email"] == "ada@x.example" and bed.fields()["job_title"] == "Buyer"
    assert bed.outcomes() == {"one": "partial", "two": "hit", "three": "skipped"}
    assert three.asked == []


def test_what_was_captured_or_edited_is_never_overwritten_and_what_was_cleared_stays_cleared(bed: Bed) -> None:
    every = Provider("every", ["email", "job_title", "city", "country"],
                     lambda lead: hit(email="x@x.example", job_title="X", city="X", country="X"))  # fmt: skip
    upper = Provider("upper", ["job_title", "company"], lambda lead: hit(company="LOUD", job_title="LOUD"),
                     offline=True, rewrites=True)  # fmt: skip
    bed.leads({**ADA, "email": "ada@x.example", "job_title": "Buyer"}, edits={"job_title": "Buyer", "city": ""})
    bed.run([{"use": "upper"}, {"use": "every"}], upper, every)
    fields = bed.fields()
    assert (fields["email"], fields["job_title"], fields.get("city")) == ("ada@x.example", "Buyer", None)
    assert (fields["country"], fields["company"]) == ("X", "LOUD")


def test_a_value_that_is_found_lets_a_provider_ask_that_could_not_before(bed: Bed) -> None:
    phone = Provider("phone", ["mobile_phone"], lambda lead: hit(mobile_phone="+1"), inputs=["linkedin_url"])
    profile = Provider("profile", ["linkedin_url"], lambda lead: hit(linkedin_url="https://l.example/ada"))
    bed.leads(ADA)
    bed.run([{"use": "phone"}, {"use": "profile"}], phone, profile)
    assert bed.fields()["mobile_phone"] == "+1"
    assert bed.outcomes() == {"phone": "hit", "profile": "hit"}
    assert len(phone.asked) == len(profile.asked) == 1


def test_a_field_with_an_order_of_its_own_is_asked_in_that_order(bed: Bed) -> None:
    one = Provider("one", ["email", "job_title"], lambda lead: hit(email="one@x.example", job_title="Buyer"))
    two = Provider("two", ["email"], lambda lead: miss())
    bed.leads(ADA, {**ADA, "last_name": "Brook"})
    spec = {"steps": [{"use": "one"}, {"use": "two"}], "fields": {"email": {"order": ["two", "one"]}}}
    bed.run(spec, one, two)
    assert bed.fields()["email"] == "one@x.example"
    assert len(two.asked) == 2 and len(one.asked) == 2  # the answer that gave the title has the address too


def test_a_step_all_of_whose_fields_wait_for_a_later_one_is_asked_after_that(bed: Bed) -> None:
    one = Provider("one", ["email"], lambda lead: hit(email="one@x.example"))
    two = Provider("two", ["email"], lambda lead: miss())
    bed.leads(ADA)
    bed.run({"steps": [{"use": "one"}, {"use": "two"}], "fields": {"email": {"order": ["two", "one"]}}}, one, two)
    assert bed.fields()["email"] == "one@x.example"
    assert bed.outcomes() == {"one": "hit", "two": "miss"}


def test_a_step_that_is_not_in_a_fields_order_does_not_give_it(bed: Bed) -> None:
    one = Provider("one", ["email"], lambda lead: hit(email="one@x.example"))
    two = Provider("two", ["email"], lambda lead: miss())
    bed.leads(ADA)
    bed.run({"steps": [{"use": "one"}, {"use": "two"}], "fields": {"email": {"order": ["two"]}}}, one, two)
    assert "email" not in bed.fields() and one.asked == []


def test_the_surest_value_wins_where_that_is_chosen_and_the_others_are_kept_with_the_reason(bed: Bed) -> None:
    one = Provider("one", ["email"], lambda lead: hit(confidence=0.6, email="one@x.example"))
    two = Provider("two", ["email"], lambda lead: hit(confidence=0.9, email="two@x.example"))
    three = Provider("three", ["email"], lambda lead: hit(confidence=0.9, email="three@x.example"))
    bed.leads(ADA)
    steps = [{"use": "one"}, {"use": "two"}, {"use": "three"}]
    bed.run({"steps": steps, "fields": {"email": {"choose": "best"}}}, one, two, three)
    assert bed.fields()["email"] == "two@x.example"
    assert [(field, by) for field, by, _ in bed.rejected()] == [("email", "one"), ("email", "three")]
    (value,) = bed.lead()["values"]
    assert (value["provider"], value["confidence"]) == ("two", 0.9)


@pytest.mark.parametrize("where", ["step", "field"])
def test_a_value_below_the_least_confidence_is_not_taken_though_it_was_paid_for(bed: Bed, where: str) -> None:
    one = Provider("one", ["email"], lambda lead: hit(confidence=0.5, email="one@x.example"))
    step = {"use": "one", **({"min_confidence": 0.7} if where == "step" else {})}
    bed.leads(ADA)
    bed.run({"steps": [step], "fields": {"email": {"min_confidence": 0.7}} if where == "field" else {}}, one)
    assert "email" not in bed.fields()
    assert bed.outcomes() == {"one": "rejected"}
    assert bed.rejected() == [("email", "one", "confidence 0.50 is below 0.70")]
    assert bed.lead()["steps"][0]["cost"] == 1


@pytest.mark.parametrize(
    ("status", "accept", "taken"),
    [
        ("valid", ["valid"], True), ("catch_all", ["valid"], False), ("catch_all", ["valid", "catch_all"], True),
        ("", ["valid"], False), ("", None, True), ("risky", None, True), ("invalid", None, False),
        ("wrong_kind", None, False), ("", ["valid", "unknown"], True),
    ],
)  # fmt: skip
def test_an_address_is_taken_by_what_is_known_of_it(bed: Bed, status: str, accept: list[str], taken: bool) -> None:
    one = Provider("one", ["email"], lambda lead: hit(status=status, email="one@x.example"))
    bed.leads(ADA)
    bed.run({"steps": [{"use": "one"}], "fields": {"email": {"accept": accept} if accept else {}}}, one)
    assert ("email" in bed.fields()) is taken
    assert bed.fields().get("email_status", "") == (status if taken else "")


def test_an_address_is_verified_and_the_next_finder_is_asked_where_it_is_bad(bed: Bed) -> None:
    one = Provider("one", ["email"], lambda lead: hit(email="bad@x.example", status="risky"))
    two = Provider("two", ["email"], lambda lead: hit(email="good@x.example"))
    unsure = Provider("unsure", ["email_status"], lambda lead: hit(0.5, email_status="unknown"), inputs=["email"])
    judge = Provider("judge", ["email_status"], inputs=["email"], answer=lambda lead: hit(
        0.5, email_status="valid" if lead["email"].startswith("good") else "invalid"))  # fmt: skip
    bed.leads(ADA)
    policy = {"accept": ["valid"], "verify": [{"use": "unsure"}, {"use": "judge"}]}
    bed.run({"steps": [{"use": "one"}, {"use": "two"}], "fields": {"email": policy}}, one, two, unsure, judge)
    assert (bed.fields()["email"], bed.fields()["email_status"]) == ("good@x.example", "valid")
    assert bed.rejected() == [("email", "one", "the address is invalid by judge")]
    value = next(value for value in bed.lead()["values"] if value["field"] == "email")
    assert (value["provider"], value["verifier"], value["status"]) == ("two", "judge", "valid")
    status = next(value for value in bed.lead()["values"] if value["field"] == "email_status")
    calls = dict(bed.sql("SELECT id, provider FROM paid_calls"))
    assert (status["provider"], calls[status["call"]], calls[value["call"]]) == ("judge", "judge", "two")
    assert [len(each.asked) for each in (one, two, unsure, judge)] == [1, 1, 2, 2]


def test_an_address_that_its_finder_calls_valid_is_not_paid_for_again(bed: Bed) -> None:
    one = Provider("one", ["email"], lambda lead: hit(email="a@x.example", status="valid"))
    judge = Provider("judge", ["email_status"], lambda lead: hit(email_status="invalid"), inputs=["email"])
    bed.leads(ADA)
    bed.run({"steps": [{"use": "one"}], "fields": {"email": {"verify": [{"use": "judge"}]}}}, one, judge)
    assert bed.fields()["email"] == "a@x.example" and judge.asked == []


def test_a_suppressed_person_is_asked_of_nobody_else_now_and_later(bed: Bed) -> None:
    email = {"email": "ada@x.example"}
    one = Provider("one", ["job_title"], lambda lead: EnrichAnswer("suppressed", detail="HTTP 451"))
    two = Provider("two", ["city"], lambda lead: hit(city="Oslo"))
    bed.leads({**ADA, **email})
    bed.run([{"use": "one"}, {"use": "two"}], one, two)
    assert bed.outcomes() == {"one": "suppressed", "two": "suppressed"} and two.asked == []
    bed.leads({"last_name": "Quill-Brook", "email": "ADA@x.example "})
    bed.run([{"use": "two"}], two)
    assert two.asked == [] and bed.outcomes(2) == {"two": "suppressed"}


def test_conditions_keep_steps_and_the_whole_waterfall_from_asking(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: hit(city="Oslo"))
    case = Provider("case", ["company"], lambda lead: hit(company="BIG"), offline=True, rewrites=True)
    bed.leads(ADA, {**ADA, "last_name": "Brook", "company": ""})
    bed.run([{"use": "one", "when": "lead.company is blank"}], one)
    assert (bed.fields(1).get("city"), bed.fields(2).get("city")) == (None, "Oslo")
    bed.again()
    bed.run({"steps": [{"use": "case"}, {"use": "one"}], "when": "lead.country is not blank"}, one, case)
    assert bed.fields(1).get("city") is None and bed.fields(1)["company"] == "BIG"
    assert "condition" in bed.details(1)["one"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(CredentialsError("the key is refused"), "auth"), (VendorUnavailable("no credits"), "quota")],
)
def test_a_provider_that_takes_no_more_calls_is_left_out_and_said_once(
    bed: Bed, error: Exception, outcome: str
) -> None:
    one = Provider("one", ["city"], lambda lead: error, concurrency=1)
    two = Provider("two", ["city"], lambda lead: hit(city="Oslo"))
    bed.leads(*({**ADA, "last_name": f"Quill{n}"} for n in range(20)))
    bed.run([{"use": "one"}, {"use": "two"}], one, two)
    assert len(one.asked) == 1 and {bed.fields(n)["city"] for n in range(1, 21)} == {"Oslo"}
    assert bed.outcomes(1)["one"] == outcome and bed.outcomes(2)["one"] == "skipped"
    assert len([note for note in bed.notes if "left out" in note]) == 1
    assert bed.sql("SELECT count(*) FROM paid_calls WHERE provider = 'one' AND state <> 'void'") == [(0,)]


def test_an_answer_that_names_a_quota_or_a_throttle_for_one_record_is_heeded(bed: Bed) -> None:
    said: list[int] = []

    def answer(lead: object) -> EnrichAnswer:
        said.append(1)
        return EnrichAnswer("throttled", after=7.0) if len(said) < 3 else hit(city="Oslo")

    before = bed.time
    bed.leads(ADA)
    bed.run([{"use": "one"}], Provider("one", ["city"], answer))
    assert bed.fields()["city"] == "Oslo" and bed.time - before >= 14
    assert bed.store.ledger.totals()[0].calls == 1


def test_a_call_without_effect_is_repeated_and_then_given_up_for_the_lead(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: RetryLater("out of order", after=2.0))
    bed.leads(ADA)
    bed.run([{"use": "one"}], one)
    assert len(one.asked) == 3 and bed.outcomes() == {"one": "error"}
    assert bed.store.ledger.totals() == []


def test_a_provider_that_keeps_failing_is_given_pauses_and_then_given_up(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: RetryLater("out of order", after=0.1), concurrency=1)
    bed.leads(*({**ADA, "last_name": f"Quill{n}"} for n in range(60)))
    before = bed.time
    bed.run([{"use": "one"}], one)
    assert len(one.asked) <= 25 and bed.time - before >= 65
    assert [note for note in bed.notes if "keeps failing" in note]


def test_a_call_without_an_answer_is_shown_as_possibly_charged_and_not_repeated_for_the_lead(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: NoAnswer("the connection broke"))
    bed.leads(ADA)
    for _ in range(5):
        bed.run([{"use": "one"}], one)
        bed.again()
    assert len(one.asked) == 3  # after three in a day nobody asks again
    (totals,) = bed.store.ledger.totals()
    assert (totals.unanswered, totals.cost) == (3, 0)
    assert "asked 3 times" in bed.details()["one"]
    bed.time += 2 * 86_400
    bed.run([{"use": "one"}], one)
    assert len(one.asked) == 4


def test_an_answer_about_somebody_else_is_rejected_for_that_lead_alone(bed: Bed) -> None:
    def contradicts(lead: Any) -> str:
        return "the answer is about another" if lead["last_name"] == "Brook" else ""

    one = Provider("one", ["job_title"], lambda lead: hit(job_title="Buyer"), inputs=["email"], contradicts=contradicts)
    shared = {"email": "desk@x.example"}
    bed.leads({**ADA, **shared}, {**ADA, **shared, "last_name": "Brook"})
    bed.run([{"use": "one"}], one)
    assert len(one.asked) == 1
    assert (bed.fields(1)["job_title"], bed.fields(2).get("job_title")) == ("Buyer", None)
    assert bed.rejected(2) == [("job_title", "one", "the answer is about another")]


def test_a_plugin_that_breaks_stops_neither_the_lead_nor_the_others(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: ValueError("oops") if lead["last_name"] == "Quill" else hit(city="Bo"))
    two = Provider("two", ["city"], lambda lead: hit(city="Oslo"))
    wrong = Provider("wrong", ["country"], lambda lead: EnrichAnswer("hit", {"country": "Norway"}))  # type: ignore[dict-item]
    bed.leads(ADA, {**ADA, "last_name": "Brook"})
    bed.run([{"use": "one"}, {"use": "wrong"}, {"use": "two"}], one, two, wrong)
    assert (bed.fields(1)["city"], bed.fields(2)["city"]) == ("Oslo", "Bo")
    assert bed.outcomes(1)["one"] == "error" and "oops" in bed.details(1)["one"]
    assert bed.outcomes(2)["wrong"] == "error"


def test_every_value_knows_the_call_it_came_from(bed: Bed) -> None:
    one = Provider("one", ["city"], lambda lead: EnrichAnswer(
        "hit", {"city": Finding("Oslo", 0.8, path="data.city")}, 2.5))  # fmt: skip
    bed.leads(ADA)
    bed.run([{"use": "one"}], one)
    (value,) = bed.lead()["values"]
    assert (value["provider"], value["confidence"], value["cost"], value["path"]) == ("one", 0.8, 2.5, "data.city")
    assert value["at"] == bed.time
    assert bed.sql("SELECT id, provider, outcome, lead_id FROM paid_calls") == [(value["call"], "one", "hit", 1)]
