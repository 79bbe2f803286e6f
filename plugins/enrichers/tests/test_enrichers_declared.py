"""A declared provider against its sandbox: what is sent, how answers are read, and how every trouble ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from engine_enrichers import register_enrichers
from engine_enrichers.declared import DeclaredProvider, HttpEnricher
from engine_enrichers.requests import fill
from engine_enrichers.sandbox import ProviderSandbox

from engine.adapters import Context
from engine.errors import CredentialsError, EngineError, NoAnswer, RetryLater, SpecError, VendorUnavailable
from engine.testing.server import Request, Response, Sandbox

PDL: type[DeclaredProvider] = next(cls for cls in register_enrichers() if cls.name == "people_data_labs")  # type: ignore[assignment]
ADA = {"email": "ada.quillfeather@brightloom.example", "last_name": "Quillfeather"}
KEY = "sandbox-key"


@pytest.fixture
def box() -> Iterator[ProviderSandbox]:
    with PDL.sandbox() as server:
        yield server


_opened: list[DeclaredProvider] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def opened(asks: DeclaredProvider) -> DeclaredProvider:
    """The enricher, closed when the test ends."""
    _opened.append(asks)
    return asks


def enricher(box: Sandbox, **config: Any) -> DeclaredProvider:
    return opened(PDL({"base_url": box.url, "api_key": KEY, **config}, Context()))


def values(answer: Any) -> dict[str, Any]:
    return {field: finding.value for field, finding in answer.findings.items()}


def test_a_hit_fills_the_wanted_fields_with_confidence_and_cost(box: ProviderSandbox) -> None:
    wanted = ["job_title", "mobile_phone", "linkedin_url", "country", "description"]
    answer = enricher(box).enrich(ADA, wanted)
    assert (answer.outcome, answer.cost) == ("hit", 1.0)
    assert values(answer) == {
        "job_title": "Vp Of Marketing",
        "mobile_phone": "+12025550143",
        "linkedin_url": "https://linkedin.com/in/ada-quillfeather-example",
        "country": "United States",
    }
    assert {finding.confidence for finding in answer.findings.values()} == {0.9}


def test_only_the_inputs_the_lead_has_are_sent_and_never_the_rest(box: ProviderSandbox) -> None:
    lead = {**ADA, "phone": "+12025550143 x12", "notes": "met at the bar", "company": " "}
    enricher(box, min_confidence=0.65).enrich(lead, ["job_title", "email"])
    assert box.calls()[0]["query"] == {
        "email": ADA["email"],
        "last_name": "Quillfeather",
        "titlecase": "true",
        "min_likelihood": "7",
        "required": "job_title OR work_email",
    }


def test_the_best_complete_set_of_inputs_is_used(box: ProviderSandbox) -> None:
    asks = enricher(box)
    by_profile = {**ADA, "linkedin_url": "https://www.linkedin.com/in/ada-quillfeather-example"}
    by_name = {"first_name": "Bruno", "last_name": "Tessarolo", "company": "Ferrovanti"}
    assert values(asks.enrich(by_profile, ["company"])) == {"company": "Brightloom"}
    assert values(asks.enrich(by_name, ["phone"])) == {"phone": "+390255501234"}
    assert values(asks.enrich({"phone": "+1 202 555 0143 x9"}, ["first_name"])) == {"first_name": "Ada"}
    assert [sorted({"profile", "email", "phone"} & set(call["query"])) for call in box.calls()] == [
        ["profile"],
        [],
        ["phone"],
    ]


def test_too_little_to_ask_with_makes_no_call(box: ProviderSandbox) -> None:
    asks = enricher(box)
    for lead, wanted in [({"first_name": "Ada"}, ["email"]), (ADA, ["notes"])]:
        assert asks.request_key(lead, wanted) is None
        assert asks.enrich(lead, wanted).outcome == "skipped"
    assert box.calls() == []


def test_nobody_found_is_a_free_miss(box: ProviderSandbox) -> None:
    answer = enricher(box).enrich({"email": "nobody@nowhere.example"}, ["job_title"])
    assert (answer.outcome, answer.cost) == ("miss", 0.0)


def test_a_poor_match_is_refused_by_the_provider_where_it_can_and_here_otherwise(box: ProviderSandbox) -> None:
    emi = {"email": "emi.hoshikawa@hoshiworks.example"}
    assert enricher(box, min_confidence=0.7).enrich(emi, ["job_title"]).cost == 0
    box.add_fault(body={"status": 200, "likelihood": 4, "data": {"job_title": "Designer"}})
    answer = enricher(box, min_confidence=0.7).enrich(emi, ["job_title"])
    assert (answer.outcome, answer.cost) == ("miss", 1.0)
    assert "confidence 0.40 is below 0.70" in answer.detail


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("Quillfeather", "quillfeather", True),
        ("Müller", "Mueller", True),
        ("García López", "garcia", True),
        ("Smith-Jones", "jones", True),
        ("O’Brien", "obrien", True),
        ("Smyth", "smith", True),
        ("Q", "quillfeather", True),
        ("Иванова", "ivanova", True),
        ("", "smith", True),
        ("Quillfeather", "tessarolo", False),
        ("Smith", "jones", False),
    ],
)
def test_an_answer_about_somebody_else_is_rejected(box: ProviderSandbox, ours: str, theirs: str, same: bool) -> None:
    box.add_fault(body={"status": 200, "likelihood": 9, "data": {"last_name": theirs, "job_title": "Boss"}})
    answer = enricher(box).enrich({**ADA, "last_name": ours}, ["job_title"])
    assert answer.outcome == ("hit" if same else "miss")
    assert answer.cost == 1.0
    assert same or "another name" in answer.detail


def test_the_full_name_counts_where_there_is_no_last_name(box: ProviderSandbox) -> None:
    box.add_fault(times=2, body={"likelihood": 9, "data": {"full_name": "ada quillfeather", "job_title": "Boss"}})
    assert enricher(box).enrich(ADA, ["job_title"]).outcome == "hit"
    assert enricher(box).enrich({**ADA, "last_name": "Okonwaru"}, ["job_title"]).outcome == "miss"


def test_masked_values_and_booleans_are_no_values(box: ProviderSandbox) -> None:
    box.switches["restricted_plan"] = True
    answer = enricher(box).enrich(ADA, ["email", "mobile_phone"])
    assert (answer.outcome, answer.detail) == ("miss", "none of the wanted fields")
    data = {"work_email": "a***@brightloom.example", "job_title": "E*Trade Lead", "job_company_name": "****"}
    box.add_fault(body={"likelihood": 9, "data": data})
    assert values(enricher(box).enrich(ADA, ["email", "job_title", "company"])) == {"job_title": "E*Trade Lead"}


def test_a_wrong_key_names_the_setting_and_never_the_key(box: ProviderSandbox) -> None:
    box.add_fault(status=401, body={"error": {"type": "authentication_error", "message": "bad key wrong-key-1"}})
    with pytest.raises(CredentialsError) as caught:
        enricher(box, api_key="wrong-key-1").enrich(ADA, ["job_title"])
    assert "enrichment.people_data_labs.config.api_key" in str(caught.value)
    assert "wrong-key-1" not in str(caught.value)
    with pytest.raises(CredentialsError):
        enricher(box, api_key="wrong-key-1").enrich(ADA, ["job_title"])


def test_spent_credits_stop_the_provider_for_the_run() -> None:
    with PDL.sandbox(seed={"credits": 1}) as box:
        asks = enricher(box)
        assert asks.enrich(ADA, ["job_title"]).outcome == "hit"
        with pytest.raises(VendorUnavailable, match="credits of people_data_labs are spent"):
            asks.enrich(ADA, ["job_title"])
        assert box.state()["spent"] == 1


def test_throttling_and_outages_are_waited_for(box: ProviderSandbox) -> None:
    asks = enricher(box)
    box.add_fault(error="rate_limit_error")
    with pytest.raises(RetryLater) as caught:
        asks.enrich(ADA, ["job_title"])
    assert (caught.value.after, type(caught.value)) == (5.0, RetryLater)
    box.add_fault(error="api_error")
    with pytest.raises(RetryLater, match="out of order"):
        asks.enrich(ADA, ["job_title"])
    assert asks.enrich(ADA, ["job_title"]).outcome == "hit"


@pytest.mark.parametrize("trouble", [{"drop": "after"}, {"drop": "before"}, {"truncate": True}, {"empty": True}])
def test_a_call_without_a_whole_answer_may_have_been_charged(box: ProviderSandbox, trouble: Mapping[str, Any]) -> None:
    box.add_fault(**trouble)
    with pytest.raises(NoAnswer):
        enricher(box).enrich(ADA, ["job_title"])


def test_a_refused_request_fails_this_lead_only(box: ProviderSandbox) -> None:
    box.add_fault(error="invalid_request_error")
    answer = enricher(box).enrich(ADA, ["job_title"])
    assert answer.outcome == "error"
    assert answer.detail.startswith("HTTP 400:")
    box.add_fault(status=404, body={"message": "no Route matched"})
    assert enricher(box).enrich(ADA, ["job_title"]).outcome == "error"


def test_a_person_who_must_not_be_processed_is_suppressed(box: ProviderSandbox) -> None:
    box.add_fault(status=451, body={"error": "legal"})
    assert enricher(box).enrich(ADA, ["job_title"]).outcome == "suppressed"


def test_equal_requests_have_equal_keys_and_others_do_not(box: ProviderSandbox) -> None:
    asks = enricher(box)
    key = asks.request_key(ADA, ["job_title", "email"])
    same = {**ADA, "email": " ADA.Quillfeather@brightloom.example ", "notes": "x"}
    assert key is not None
    assert asks.request_key(same, ["email", "job_title", "description"]) == key
    others = [
        asks.request_key({**ADA, "email": "b@brightloom.example"}, ["job_title", "email"]),
        asks.request_key(ADA, ["job_title"]),
        enricher(box, min_confidence=0.8).request_key(ADA, ["job_title", "email"]),
        opened(PDL({"api_key": KEY}, Context())).request_key(ADA, ["job_title", "email"]),
    ]
    assert len({key, *others}) == 5
    assert KEY not in key


def test_limits_come_from_the_file_or_from_the_configuration(box: ProviderSandbox) -> None:
    assert (enricher(box).limits.calls, enricher(box).limits.window) == (100, 60)
    assert enricher(box, limits={"calls": 1000, "window": 60}).limits.calls == 1000
    assert enricher(box).valid_for == 60 * 86400


def test_a_key_is_not_sent_over_plain_http_to_another_machine() -> None:
    with pytest.raises(SpecError, match="not an https address"):
        PDL({"api_key": KEY, "base_url": "http://api.example.com"}, Context())


def test_one_enricher_serves_many_threads(box: ProviderSandbox) -> None:
    asks = enricher(box)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: values(asks.enrich(ADA, ["company"])), range(40)))
    assert answers == [{"company": "Brightloom"}] * 40
    assert len(box.calls("GET /v5/person/enrich")) == 40


class Acme(Sandbox):
    """Answers whatever the test put in, and keeps the last request whole."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.last: Request | None = None
        self.answer = Response(200, {"hits": [{"title": " CEO/ ", "age": 41}], "grade": 80}, {"X-Cost": "2.5"})
        self.seen = threading.Event()

    def state(self) -> Mapping[str, Any]:
        return {}

    def handle(self, request: Request) -> Response:
        self.last = request
        return self.answer


ACME = """\
version: 3
name: acme
summary: Finds job titles.
docs: https://docs.acme.example/api
base_url: https://api.acme.example
auth: {AUTH}
options:
  deep: {title: Deep, description: Search more., type: boolean, default: false}
inputs: {any_of: [[company_domain, last_name]], also: [first_name]}
request:
  method: POST
  path: /v1/{company_domain}/find
  headers: {X-Version: "7"}
  query: {deep: "{deep}"}
  json: {people: [{name: "{first_name} {last_name}", last: "{last_name}", deep: "{deep}"}], limit: 1}
confidence: {path: grade, scale: 100}
outcomes:
  - {status: 200, when: "error == 'none'", is: miss}
  - {status: 200, when: "error == 'slow'", is: throttled}
extract:
  job_title: {path: "hits[0].title", strip: "/ "}
  description: hits[0].age
  company: "join('', hits[*].missing)"
placeholders: [not unlocked]
cost: {hit: 1, miss: 0.5, header: X-Cost}
limits: {}
valid_for: {hit: 30, miss: 7}
"""


def acme(box: Acme, folder: Path, auth: str = "in: bearer") -> DeclaredProvider:
    (folder / "acme.yaml").write_text(ACME.replace("AUTH", auth), "utf-8")
    config = {"file": "acme.yaml", "api_key": "k-1", "base_url": box.url}
    return opened(HttpEnricher(config, Context(folder=folder, now=lambda: 1_000_000.0)))


LEAD = {"company_domain": "a/b.example", "last_name": "Doe"}


def test_a_file_of_ones_own_says_where_everything_goes(tmp_path: Path) -> None:
    with Acme() as box:
        answer = acme(box, tmp_path).enrich(LEAD, ["job_title", "description", "company"])
        request = box.last
    assert values(answer) == {"job_title": "CEO", "description": "41"}
    assert (answer.cost, answer.findings["job_title"].confidence) == (2.5, 0.8)
    assert request.path == "/v1/a%2Fb.example/find"
    assert (request.query, request.headers["x-version"]) == ({"deep": "false"}, "7")
    assert orjson.loads(request.body) == {"people": [{"last": "Doe", "deep": False}], "limit": 1}


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ("in: bearer", "authorization", "Bearer k-1"),
        ("in: basic", "authorization", "Basic ay0xOg=="),
        ("in: header, name: apikey", "apikey", "k-1"),
    ],
)
def test_the_key_travels_as_the_file_says(tmp_path: Path, auth: str, header: str, value: str) -> None:
    with Acme() as box:
        acme(box, tmp_path, auth).enrich(LEAD, ["job_title"])
        assert box.last.headers[header] == value


def test_a_key_in_the_query_is_in_no_error(tmp_path: Path) -> None:
    with Acme() as box:
        asks = acme(box, tmp_path, "in: query, name: token_of_mine")
        asks.enrich(LEAD, ["job_title"])
        assert box.last.query["token_of_mine"] == "k-1"
        box.add_fault(drop="before")
        with pytest.raises(EngineError) as caught:
            asks.enrich(LEAD, ["job_title"])
    assert "k-1" not in str(caught.value)


def test_errors_that_come_with_status_200_are_read_by_rule(tmp_path: Path) -> None:
    with Acme() as box:
        asks = acme(box, tmp_path)
        box.answer = Response(200, {"error": "none"})
        assert asks.enrich(LEAD, ["job_title"]).cost == 0.5
        box.answer = Response(200, {"hits": [{"title": "Not Unlocked"}], "grade": 80})
        assert asks.enrich(LEAD, ["job_title"]).outcome == "miss"
        box.answer = Response(200, {"hits": [{"title": "CEO"}]})
        assert asks.enrich(LEAD, ["job_title"]).findings["job_title"].confidence == 0


@pytest.mark.parametrize(
    ("given", "after"),
    [("30", 30.0), ("0", 1.0), ("Mon, 12 Jan 1970 13:47:40 GMT", 60.0), ("soon", 5.0), ("nan", 5.0), ("1e9", 3600.0)],
)
def test_the_wait_is_the_one_the_provider_asks_for(tmp_path: Path, given: str, after: float) -> None:
    with Acme() as box:
        box.answer = Response(429, None, {"Retry-After": given})
        with pytest.raises(RetryLater) as caught:
            acme(box, tmp_path).enrich(LEAD, ["job_title"])
    assert caught.value.after == after


def test_a_template_keeps_types_and_leaves_out_what_is_empty() -> None:
    template = {
        "a": "{n}",
        "b": "x-{n}",
        "c": "{none}",
        "d": [{"e": "{none}"}],
        "f": "{n} {none}",
        "g": 0,
        "h": "{flag}",
    }
    assert fill(template, {"n": 7, "flag": False}) == {"a": 7, "b": "x-7", "g": 0, "h": False}
