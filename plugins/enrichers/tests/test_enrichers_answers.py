"""How a declared provider's answers are read: outcomes, waits, values, costs, and whom they are about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from engine_enrichers.declared.answers import read
from engine_enrichers.declared.client import Client
from engine_enrichers.declared.costs import shares
from engine_enrichers.declared.identity import contradiction
from engine_enrichers.declared.outcomes import classify, spent, until_reset, wait_of
from engine_enrichers.declared.privacy import said
from engine_enrichers.declared.provider import LimitHeaders, Provider
from engine_enrichers.declared.provider_build import build
from engine_enrichers.declared.provider_files import load_provider, read_data
from engine_enrichers.declared.questions import Question, ask_of, prepare
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters import Context
from engine.asking import EnrichAnswer
from engine.errors import CredentialsError, RetryLater, VendorUnavailable
from engine.http import Reply

LEAD = {"email": "ada@brightloom.example", "last_name": "Quillfeather", "company_domain": "brightloom.example"}
FILE = """\
version: 1
name: acme
summary: Finds people.
docs: https://docs.acme.example
base_url: https://api.acme.example
auth: {headers: {X-Key: "{api_key}"}}
inputs: {any_of: [[email]], also: [company_domain]}
request:
  method: POST
  path: /find
  json: {email: "{email}", domain: "{company_domain}", least: "{min_score}",
         mobile: {$if_wanted: [mobile_phone], $then: true}}
result: data
confidence: {path: score, scale: 100}
identity: {last_name: last, full_name: name, email: emails, domain: site}
extract:
  job_title: {path: title, strip: "/ ", case: title}
  email: {first_of: [work, other], status: {path: state, map: {VERIFIED: valid, "true": risky}}}
  phone: phone
  mobile_phone: {path: mobile, confidence: {path: grade, map: {A+: 1, B: 0.5}}}
  country: {path: land, map: {DE: Germany}}
  website: {path: site, prefix: "https://"}
  linkedin_url: {path: handle, prefix: "linkedin.com/in/"}
  company: {path: company, when: "current"}
  company_domain: site
  company_size: size
  city: {expression: "lead.place | title", take: {place: "where.city"}}
placeholders: [not unlocked]
cost:
  hit: 1
  miss: 0.1
  fields: {mobile_phone: 9, email: 0.2}
  rules: [{when: "free", credits: 0}]
  report: {path: meta.spent}
limits: {}
valid_for: {hit: 30, miss: 7}
"""


def provider(text: str = FILE) -> Provider:
    return build(read_data(Path("acme.yaml"), text))


ACME = provider()


def question(wanted: tuple[str, ...] = ("job_title",), of: Provider = ACME, floor: float = 0.0) -> Question:
    found = prepare(of, LEAD, wanted, {}, floor)
    assert found is not None
    return found


def answer(data: Any, of: Provider = ACME, **more: Any) -> EnrichAnswer:
    return read(of, question(of=of), "hit", {"data": data, **more}, result=of.result)


def value(field: str, data: Any) -> Any:
    found = answer({"score": 90, "title": "x", **data}).findings
    return found[field].value if field in found else None


@pytest.mark.parametrize(
    ("field", "data", "expected"),
    [
        ("job_title", {"title": " vp of marketing/ "}, "Vp Of Marketing"),
        ("job_title", {"title": True}, None),
        ("job_title", {"title": "Not Unlocked"}, None),
        ("job_title", {"title": "****"}, None),
        ("company", {"company": "E*Trade", "current": True}, "E*Trade"),
        ("email", {"work": "", "other": "Ada@Brightloom.example"}, "ada@brightloom.example"),
        ("email", {"work": "a***@brightloom.example"}, None),
        ("email", {"work": "no address"}, None),
        ("phone", {"phone": "030 901820", "land": "DE"}, "+4930901820"),
        ("phone", {"phone": "n/a"}, None),
        ("country", {"land": "de"}, "Germany"),
        ("country", {"land": "France"}, "France"),
        ("website", {"site": "www.brightloom.example"}, "https://www.brightloom.example"),
        ("website", {"site": "none yet"}, None),
        ("linkedin_url", {"handle": "ada-q"}, "https://linkedin.com/in/ada-q"),
        ("company_domain", {"site": "https://www.brightloom.example/x"}, "brightloom.example"),
        ("company", {"company": "Brightloom", "current": False}, None),
        ("company", {"company": "Brightloom", "current": 0}, "Brightloom"),
        ("company_size", {"size": 41.0}, "41"),
        ("company_size", {"size": [41]}, None),
        ("city", {"where": {"city": "SAO PAULO"}}, "Sao Paulo"),
        ("city", {"where": {}}, None),
    ],
)
def test_values_are_brought_into_normal_form(field: str, data: dict[str, Any], expected: Any) -> None:
    assert value(field, data) == expected


@pytest.mark.parametrize(
    ("address", "state", "status"),
    [
        ("ada.q@brightloom.example", "verified", "valid"),
        ("ada.q@brightloom.example", "odd", "unknown"),
        ("ada.q@brightloom.example", True, "risky"),
        ("ada.q@gmail.com", "VERIFIED", "wrong_kind"),
        ("info@brightloom.example", "VERIFIED", "wrong_kind"),
    ],
)
def test_the_status_of_an_address_is_canonical(address: str, state: Any, status: str) -> None:
    assert answer({"work": address, "state": state}).findings["email"].status == status


def test_each_value_says_how_sure_it_is_and_where_it_stood() -> None:
    found = answer({"score": 90, "title": "CEO", "mobile": "+12025550143", "grade": "b"}).findings
    assert (found["job_title"].confidence, found["job_title"].path) == (0.9, "data.title")
    assert found["mobile_phone"].confidence == 0.5
    assert answer({"title": "CEO"}).findings["job_title"].confidence == 0


@pytest.mark.parametrize(
    ("data", "more", "cost"),
    [
        ({"title": "CEO"}, {}, 1),
        ({"title": "CEO", "mobile": "+12025550143"}, {}, 10),
        ({"mobile": "+1******"}, {}, 0.1),
        ({}, {}, 0.1),
        ({"title": "CEO"}, {"free": True}, 0),
        ({"title": "CEO"}, {"free": True, "meta": {"spent": "2.5"}}, 2.5),
        ({"title": "CEO"}, {"meta": {"spent": "some"}}, 1),
    ],
)
def test_the_cost_is_what_the_provider_charges(data: Any, more: dict[str, Any], cost: float) -> None:
    assert answer(data, **more).cost == cost


def test_a_hit_with_nothing_in_it_is_a_miss_that_is_remembered_as_one() -> None:
    found = answer({"title": None})
    assert (found.outcome, found.valid_for) == ("miss", 7 * 86400)


def test_the_shares_of_a_batch_add_up_to_the_reported_total() -> None:
    assert shares(3, [1, 1, 0, 1]) == [1, 1, 0, 1]
    assert sum(shares(1.1, [1, 9, 0.1])) == pytest.approx(1.1)
    assert shares(1, [0, 0]) == [0.5, 0.5]


# Questions ----------------------------------------------------------------------------------------------------------


def test_a_question_says_what_leaves_what_it_covers_and_what_it_can_cost() -> None:
    cheap, dear = (ask_of(ACME, question(wanted), {}) for wanted in (("job_title",), ("mobile_phone",)))
    assert cheap.sent == {"email": LEAD["email"], "company_domain": "brightloom.example"}
    assert cheap.key == dear.key
    assert dear.fields - cheap.fields == {"mobile_phone"}
    assert (cheap.most, dear.most) == (1.2, 10.2)
    assert ask_of(ACME, question(), {"region": "eu"}).key != cheap.key


@pytest.mark.parametrize(("floor", "scale", "score"), [(0.07, 100, 7), (0.65, 10, 7), (0.7, 1, 0.7), (0, 100, None)])
def test_the_least_confidence_is_asked_for_on_the_files_scale(floor: float, scale: int, score: Any) -> None:
    of = provider(FILE.replace("scale: 100", f"scale: {scale}"))
    found = question(of=of, floor=floor)
    assert found.values.get("min_score") == score
    assert found.floor == pytest.approx((score or 0) / scale)


# Outcomes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "hit"), (202, "error"), (204, "miss"), (301, "error"), (400, "bad_request"), (401, "auth"), (402, "quota"),
     (403, "auth"), (404, "bad_request"), (422, "bad_request"), (429, "throttled"), (451, "suppressed"),
     (500, "error")],
)  # fmt: skip
def test_statuses_mean_what_they_mean_everywhere(status: int, outcome: str) -> None:
    assert classify((), status, {}, later=False).outcome == outcome


def test_rules_of_the_file_go_first_in_their_order() -> None:
    text = FILE.replace(
        "result: data", 'outcomes: [{status: [404, 410], is: miss}, {when: "!data", is: quota}]\nresult: data'
    )
    rules = provider(text).rules
    assert [classify(rules, 404, {}, later=False).outcome, classify(rules, 200, {}, later=False).outcome] == [
        "miss",
        "quota",
    ]
    assert classify(rules, 200, {"data": 0}, later=False).outcome == "hit"
    assert classify((), 202, {}, later=True).outcome == "pending"


def reply(status: int = 429, body: bytes = b"{}", **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): text for name, text in headers.items()}, body)


@pytest.mark.parametrize(
    ("given", "wait"),
    [("30", 30.0), ("0", 1.0), ("Mon, 12 Jan 1970 13:47:40 GMT", 60.0), ("soon", 5.0), ("nan", 5.0), ("1e9", 3600.0)],
)
def test_the_wait_is_the_one_the_provider_asks_for(given: str, wait: float) -> None:
    assert wait_of(reply(retry_after=given), None, 1_000_000.0) == wait


@pytest.mark.parametrize(
    ("form", "given", "seconds"),
    [("seconds", "12", 12), ("epoch", "1000030", 30), ("iso", "1970-01-12T13:47:40Z", 60), ("iso", "later", None),
     ("epoch", "5", 0)],
)  # fmt: skip
def test_a_reset_is_read_in_each_of_its_forms(form: Any, given: str, seconds: float | None) -> None:
    assert until_reset(reply(x_reset=given), LimitHeaders("x-left", "x-reset", form), 1_000_000.0) == seconds


@pytest.mark.parametrize(
    ("left", "is_spent"), [("0", True), ("3", False), ("-1", False), ('{"minute": 0, "day": 4}', True), ("", False)]
)
def test_nothing_left_is_seen(left: str, is_spent: bool) -> None:
    assert spent(reply(x_left=left), LimitHeaders("x-left", "x-reset", "seconds")) is is_spent


def test_messages_hold_neither_the_person_nor_a_secret() -> None:
    body = {"error": {"message": "no Quillfeather, ada@brightloom.example, +1 202 555 0143, key k-12345"},
            "person": {"title": "Boss"}}  # fmt: skip
    text = said(reply(400, orjson.dumps(body)), ["Ada Quillfeather"], ["k-12345"])
    assert text == "HTTP 400: no …, … …, key ***"
    assert said(reply(404, b"nobody called Quillfeather"), ["Quillfeather"], []) == "HTTP 404: nobody called …"


# Whom an answer is about --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("Quillfeather", "quillfeather", True), ("Müller", "Mueller", True), ("García López", "garcia", True),
     ("Smith-Jones", "jones", True), ("O’Brien", "obrien", True), ("Smyth", "smith", True), ("Q", "quillfeather", True),
     ("Иванова", "ivanova", True), ("", "smith", True), ("Quillfeather", "tessarolo", False),
     ("Smith", "jones", False)],
)  # fmt: skip
def test_an_answer_about_another_name_is_told(ours: str, theirs: str, same: bool) -> None:
    problem = contradiction(ACME, {**LEAD, "last_name": ours}, {"last_name": theirs})
    assert (problem == "") is same


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"full_name": "ada quillfeather"}, ""),
        ({"full_name": "ada okonwaru"}, "name"),
        ({"email": ["x@else.example", "ADA@brightloom.example"]}, ""),
        ({"email": "x@else.example"}, "address"),
        ({"email": "a***@brightloom.example"}, ""),
        ({"domain": ["www.Brightloom.example"]}, ""),
        ({"domain": "tessaro.example"}, "domain"),
        ({}, ""),
    ],
)
def test_an_answer_about_somebody_else_is_told(told: dict[str, Any], problem: str) -> None:
    found = contradiction(ACME, LEAD, told)
    assert problem in found
    assert bool(problem) is bool(found)


def test_an_address_is_compared_only_where_it_was_asked_with() -> None:
    by_name = provider(FILE.replace("[[email]]", "[[last_name]]").replace('email: "{email}"', 'last: "{last_name}"'))
    assert contradiction(by_name, LEAD, {"email": "x@else.example"}) == ""


# Anything at all ----------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda child: st.lists(child, max_size=4) | st.dictionaries(st.sampled_from(
        ["data", "title", "work", "other", "emails", "site", "phone", "mobile", "score", "grade", "state", "where",
         "city",
         "last", "name", "meta", "spent", "free", "current", "handle", "size", "land"]), child, max_size=6),
    max_leaves=25,
)  # fmt: skip


@given(JSON)
def test_no_answer_breaks_the_reading(body: Any) -> None:
    found = read(ACME, question(), "hit", body, result=ACME.result)
    assert found.outcome in ("hit", "miss")
    assert found.cost >= 0
    assert all(isinstance(each.value, str) and 0 <= each.confidence <= 1 for each in found.findings.values())
    assert isinstance(contradiction(ACME, LEAD, found.about), str)


@given(JSON)
def test_no_answer_breaks_a_shipped_file(body: Any) -> None:
    of = load_shipped()
    lead = {"linkedin_url": "https://www.linkedin.com/in/ada-q", "email": LEAD["email"]}
    asked = prepare(of, lead, of.fields, {}, 0.5)
    assert asked is not None
    assert read(of, replace(asked), "hit", body, result=of.result).outcome in ("hit", "miss")


RULES = """\
outcomes:
  - {when: "data.title == 'x'", is: throttled}
  - {status: [404], when: "max_by(data, &score)", is: miss}
  - {when: "sort(data)", is: auth}
result: data
"""
RULED = provider(FILE.replace("result: data\n", RULES))


@given(
    st.sampled_from([200, 201, 202, 204, 301, 400, 402, 404, 429, 500]), JSON.map(orjson.dumps) | st.binary(max_size=40)
)
def test_any_reply_is_an_answer_or_an_error_of_the_contract(status: int, body: bytes) -> None:
    client = Client(RULED, {"api_key": "k-12345"}, {}, Context())
    try:
        outcome = client.sort(Reply(status, {"retry-after": "\ud7ff"}, body), RULED.rules, private=["ada"]).outcome
    except (CredentialsError, VendorUnavailable, RetryLater):
        return
    finally:
        client.close()
    assert outcome in ("hit", "miss", "suppressed", "bad_request", "error")


_loaded: list[Provider] = []


def load_shipped() -> Provider:
    if not _loaded:
        from engine_enrichers.declared.files import shipped_files

        _loaded.append(load_provider(next(path for path in shipped_files() if path.stem == "rocketreach_person")))
    return _loaded[0]
