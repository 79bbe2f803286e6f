"""The providers' sandbox: who is found by what, what is refused, what it costs, and what goes wrong on purpose."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from engine_enrichers.sandbox import ProviderSandbox

PEOPLE = [
    {"first_name": "Ada", "last_name": "Lindqvist", "email": "ada@kestrel.example", "company": "Kestrel Pumps",
     "company_domain": "kestrel.example", "job_title": "Planner", "mobile_phone": "+12025550101",
     "linkedin_url": "https://www.linkedin.com/in/ada-lindqvist-example", "industry": "Machinery"},
    {"first_name": "Björn", "last_name": "Aalto", "email": "bjorn@kestrel.example", "company": "Kestrel Pumps",
     "company_domain": "kestrel.example", "job_title": "Buyer", "confidence": 0.4},
]  # fmt: skip
PDL = "/people_data_labs/v5/person/enrich"
HUNTER = "/hunter_email_finder/email-finder"
PROSPEO = "/prospeo_person/enrich-person"


@pytest.fixture
def box() -> Iterator[ProviderSandbox]:
    with ProviderSandbox(seed={"people": PEOPLE}) as started:
        yield started


@pytest.fixture
def api(box: ProviderSandbox) -> Iterator[httpx.Client]:
    keys = dict.fromkeys(("X-Api-Key", "X-KEY"), "sandbox-key")
    with httpx.Client(base_url=box.url, headers=keys) as client:
        yield client


def start(box: ProviderSandbox, **seed: Any) -> None:
    box.seed = {"people": PEOPLE, **seed}
    box.reset()


@pytest.mark.parametrize(
    "said",
    [
        {"email": "Ada@Kestrel.example"},
        {"profile": "linkedin.com/in/ada-lindqvist-example"},
        {"profile": "https://www.linkedin.com/in/ada-lindqvist-example/"},
        {"phone": "+1 (202) 555-0101"},
        {"first_name": "ADA", "last_name": "lindqvist", "company": "kestrel pumps"},
        {"name": "Ada  Lindqvist", "company": "https://www.kestrel.example/about"},
        {"email": "unknown@example.com", "name": "Ada Lindqvist", "company": "Kestrel Pumps"},
    ],
)
def test_a_person_is_found_by_whatever_the_request_says_about_them(api: httpx.Client, said: dict[str, str]) -> None:
    data = api.get(PDL, params=said).raise_for_status().json()["data"]
    assert (data["work_email"], data["job_title"]) == ("ada@kestrel.example", "Planner")


def test_a_digest_of_the_address_finds_too(api: httpx.Client) -> None:
    digest = hashlib.sha256(b"ada@kestrel.example").hexdigest()
    assert api.get(PDL, params={"email": digest}).status_code == 200


@pytest.mark.parametrize(
    "said", [{"email": "nobody@example.com"}, {"name": "Ada Lindqvist", "company": "Osprey Mobility"}]
)
def test_nobody_is_found_by_what_fits_nobody(api: httpx.Client, said: dict[str, str]) -> None:
    answer = api.get(PDL, params=said)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found")


def test_what_a_person_lacks_is_left_out_of_the_answer(api: httpx.Client) -> None:
    data = api.get(PDL, params={"email": "bjorn@kestrel.example"}).json()["data"]
    assert "mobile_phone" not in data and "linkedin_url" not in data


def test_how_sure_a_match_is_comes_from_the_seed_and_the_least_score_is_kept(api: httpx.Client) -> None:
    said = {"email": "bjorn@kestrel.example"}
    assert api.get(PDL, params=said).json()["likelihood"] == 4
    assert api.get(PDL, params={**said, "min_likelihood": "5"}).status_code == 404
    assert api.get(PDL, params={**said, "min_likelihood": "4", "required": "job_title"}).status_code == 200
    assert api.get(PDL, params={**said, "required": "mobile_phone OR linkedin_url"}).status_code == 404


def test_what_the_seed_knows_of_an_address_is_said_in_the_providers_word(
    box: ProviderSandbox, api: httpx.Client
) -> None:
    start(box, people=[{**PEOPLE[0], "email_status": "catch_all"}])
    verified = api.get("/hunter_verifier/email-verifier", params={"email": "ada@kestrel.example"}).json()
    assert verified["data"]["status"] == "accept_all"


def test_a_company_is_found_by_its_domain_and_shared_by_all_who_work_there(api: httpx.Client) -> None:
    path = "/people_data_labs_company/v5/company/enrich"
    found = api.get(path, params={"website": "kestrel.example"}).json()
    assert (found["name"], found["industry"]) == ("Kestrel Pumps", "Machinery")
    assert api.get(path, params={"website": "osprey.example"}).status_code == 404


def test_a_wrong_key_and_a_poor_request_and_an_unknown_path_are_refused(api: httpx.Client) -> None:
    assert api.get(PDL, params={"email": "x@y.example"}, headers={"X-Api-Key": "mistyped"}).status_code == 401
    assert api.get(PDL, params={"first_name": "Ada"}).status_code == 400
    assert api.post(PDL, json={"email": "ada@kestrel.example"}).status_code == 400
    assert api.get("/people_data_labs/v4/person").status_code == 404
    assert api.get("/nobody/v5/person/enrich").status_code == 404


def test_each_provider_knows_its_own_share_and_always_the_same_people(box: ProviderSandbox, api: httpx.Client) -> None:
    crowd = [{**PEOPLE[1], "email": f"lead{number}@kestrel.example"} for number in range(300)]
    start(box, people=crowd, knows={"people_data_labs": 0.6})
    found = [api.get(PDL, params={"email": person["email"]}).status_code == 200 for person in crowd]
    assert 150 < sum(found) < 210
    assert found == [api.get(PDL, params={"email": person["email"]}).status_code == 200 for person in crowd]


def test_the_bill_has_calls_hits_credits_money_and_who_it_was_for(box: ProviderSandbox, api: httpx.Client) -> None:
    for email in ("ada@kestrel.example", "bjorn@kestrel.example", "nobody@example.com"):
        api.get(PDL, params={"email": email})
    api.get(PDL, params={"email": "ada@kestrel.example"}, headers={"X-Api-Key": "mistyped"})
    bill = api.get("/_sandbox/bill").json()
    assert bill == box.bill()
    assert bill["providers"]["people_data_labs"] == {
        "calls": 4, "hits": 2, "misses": 1, "polls": 0, "other": {"auth": 1},
        "credits": 2.0, "money": 0.56, "currency": "USD",
    }  # fmt: skip
    about = [charge["about"] for charge in bill["charges"]]
    assert about == ["ada@kestrel.example", "bjorn@kestrel.example"]


def test_a_dropped_answer_is_charged_if_the_call_was_executed(box: ProviderSandbox, api: httpx.Client) -> None:
    for when, credits in (("before", 0), ("after", 1)):
        start(box, faults=[{"match": "person/enrich", "drop": when}])
        with pytest.raises(httpx.HTTPError):
            api.get(PDL, params={"email": "ada@kestrel.example"})
        assert sum(charge["credits"] for charge in box.bill()["charges"]) == credits


def test_paid_data_is_given_and_charged_only_where_it_was_asked_for(box: ProviderSandbox) -> None:
    contacts = [{"email": "ada@kestrel.example"}]
    path = "/lusha_person/v3/contacts/search-and-enrich"
    with httpx.Client(base_url=box.url, headers={"api_key": "sandbox-key"}) as api:
        without = api.post(path, json={"contacts": contacts, "reveal": ["emails"]}).json()
        whole = api.post(path, json={"contacts": contacts, "reveal": ["emails", "phones"]}).json()
    assert "+12025550101" not in str(without) and "+12025550101" in str(whole)
    first, second = (charge["credits"] for charge in box.bill()["charges"])
    assert second - first == 5


def test_spent_credits_are_refused_as_the_provider_refuses_them(box: ProviderSandbox, api: httpx.Client) -> None:
    start(box, credits={"people_data_labs": 1})
    statuses = [api.get(PDL, params={"email": person["email"]}).status_code for person in PEOPLE]
    assert statuses == [200, 402]


def test_somebody_who_must_not_be_processed_is_not_answered_about(box: ProviderSandbox, api: httpx.Client) -> None:
    start(box, suppressed=["ada@kestrel.example"])
    names = {"first_name": "Ada", "last_name": "Lindqvist", "domain": "kestrel.example"}
    headers = {"X-API-KEY": "sandbox-key"}
    assert api.get("/hunter_person/people/find", params={"email": "ada@kestrel.example"}, headers=headers).is_error
    assert api.get(HUNTER, params=names, headers=headers).status_code == 451
    assert api.get(PDL, params={"email": "ada@kestrel.example"}).status_code == 404  # it has no word for it


def test_limits_are_the_files_windows_where_they_are_switched_on(box: ProviderSandbox, api: httpx.Client) -> None:
    start(box, switches={"limits": True})
    names = {"first_name": "Ada", "last_name": "Lindqvist", "domain": "kestrel.example"}
    statuses = [api.get(HUNTER, params=names, headers={"X-API-KEY": "sandbox-key"}).status_code for _ in range(16)]
    assert statuses == [200] * 15 + [403]
    box.advance(1)
    assert api.get(HUNTER, params=names, headers={"X-API-KEY": "sandbox-key"}).status_code == 200


@pytest.mark.parametrize(("error", "status"), [("quota", 402), ("throttled", 429), ("error", 500)])
def test_any_case_of_the_recording_can_be_made_to_happen(
    error: str, status: int, box: ProviderSandbox, api: httpx.Client
) -> None:
    start(box, faults=[{"match": "person/enrich", "error": error}])
    assert api.get(PDL, params={"email": "ada@kestrel.example"}).status_code == status
    assert api.get(PDL, params={"email": "ada@kestrel.example"}).status_code == 200


def test_an_answer_about_somebody_else_is_charged(box: ProviderSandbox, api: httpx.Client) -> None:
    start(box, faults=[{"match": "person/enrich", "error": "other_person"}])
    data = api.get(PDL, params={"email": "ada@kestrel.example"}).json()["data"]
    assert data["last_name"] != "Lindqvist"
    assert box.bill()["providers"]["people_data_labs"]["credits"] == 1


def test_answers_can_be_pages_and_bombs_and_drops(box: ProviderSandbox, api: httpx.Client) -> None:
    start(box, faults=[{"match": "enrich", "error": how} for how in ("html", "huge", "drip")])
    said = {"email": "ada@kestrel.example"}
    page = api.get(PDL, params=said)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    with api.stream("GET", PDL, params=said) as bomb:
        assert bomb.headers["content-encoding"] == "gzip" and int(bomb.headers["content-length"]) < 2**20
    with api.stream("GET", PDL, params=said) as slow:
        pieces = slow.iter_raw()
        assert len(next(pieces)) == 1 and len(next(pieces)) == 1


def test_without_a_seed_everybody_of_the_recordings_is_known() -> None:
    with ProviderSandbox() as box, httpx.Client(base_url=box.url, headers={"X-Api-Key": "sandbox-key"}) as api:
        found = api.get(PDL, params={"email": "dagny.vandersloot@noordlicht.example"})
        assert found.json()["data"]["job_title"] == "Data Engineer"
        assert len(box.state()["people"]) > 30


def test_the_environment_leads_every_provider_here() -> None:
    with ProviderSandbox(seed={"people": []}) as box:
        found = box.environment()
        assert found["HUNTER_EMAIL_FINDER_BASE_URL"] == f"{box.url}/hunter_email_finder"
        assert found["HUNTER_EMAIL_FINDER_API_KEY"] == "sandbox-key"
        assert found["PDL_BASE_URL"] == found["PEOPLE_DATA_LABS_BASE_URL"]
        assert found["ZOOMINFO_PERSON_TOKEN_URL"] == f"{box.url}/zoominfo_person/_token"
        assert found["ZOOMINFO_PERSON_CLIENT_ID"] == "sandbox-client-id"
        assert {f"{name.upper()}_BASE_URL" for name in box.state()["providers"]} <= found.keys()


@pytest.mark.parametrize(
    "seed", [{"persons": []}, {"switches": {"limit": True}}, {"people": "Ada"}, {"knows": {"acme": "much"}}]
)
def test_a_seed_that_is_wrong_is_refused(seed: dict[str, Any]) -> None:
    box = ProviderSandbox(seed=seed)
    with pytest.raises(ValueError, match=r"seed|switches"):
        box.start()
    box.stop()


def test_a_large_seed_is_as_quick_as_a_small_one() -> None:
    crowd = [
        {**PEOPLE[1], "email": f"lead{number}@kestrel.example", "last_name": f"Aalto{number}"}
        for number in range(20_000)
    ]
    with ProviderSandbox(seed={"people": crowd}, journal=False) as box:
        last = {"name": "Björn Aalto19999", "company": "kestrel.example"}
        began = time.perf_counter()
        found = [box.answers.people.find({"query": last}) for _ in range(1000)]
        assert time.perf_counter() - began < 1.0
        assert found[0] is not None and found[0]["email"] == "lead19999@kestrel.example"
        assert box.journal == []
