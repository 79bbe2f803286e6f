"""The address of an org, the settings of a sign-in, and what the token endpoint's refusals mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from engine_pardot.config import SignIn
from engine_pardot.oauth import Busy, Flow, address_of, ask

from engine.errors import CredentialsError, RetryLater, SpecError
from engine.http import Http
from engine.redaction import redact
from engine.testing.server import Request, Response, Sandbox

ORG = {"token_url": "https://example.my.salesforce.com", "business_unit_id": "0Uv000000000001CAA", "client_id": "3MVG9"}
SECRET = {"client_secret": "the-consumer-secret"}
KEY = {"private_key": "-----BEGIN", "username": "integration@example.com"}


class TokenEndpoint(Sandbox):
    """Answers each request with what `answer` is."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.answer = Response(200, {"access_token": "00Dissued!token", "token_type": "Bearer"})

    def handle(self, request: Request) -> Response:
        return self.answer


@pytest.fixture(scope="module")
def _endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(_endpoint: TokenEndpoint) -> TokenEndpoint:
    _endpoint.reset()
    return _endpoint


def asked(endpoint: TokenEndpoint, flow: Flow = "client") -> Mapping[str, Any]:
    http = Http(endpoint.url, timeout=5)
    try:
        return ask(http, endpoint.url, {"grant_type": "any"}, flow=flow)
    finally:
        http.close()


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("https://login.salesforce.com", "https://login.salesforce.com"),
        (" https://test.salesforce.com/ ", "https://test.salesforce.com"),
        ("https://example.my.salesforce.com/services/oauth2/token", "https://example.my.salesforce.com"),
        ("https://example.my.salesforce.com/services/oauth2/authorize/", "https://example.my.salesforce.com"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
    ],
)
def test_an_address_is_taken_as_people_copy_it(given: str, plain: str) -> None:
    assert address_of(given, "token_url") == plain
    assert SignIn.read({**ORG, "token_url": given, "refresh_token": "5Aep861"}).token_url == plain


@pytest.mark.parametrize(
    "given",
    [
        "example.my.salesforce.com",
        "http://example.my.salesforce.com",
        "ftp://example.my.salesforce.com",
        "https://user:pass-word@example.my.salesforce.com",
        "https://example.my.salesforce.com/lightning/page/home",
        "https://example.my.salesforce.com?next=1",
        "https://exa mple.my.salesforce.com",
        "https://[",
        "https://",
        "",
    ],
)
def test_what_cannot_be_an_org_is_refused_by_name(given: str) -> None:
    with pytest.raises(SpecError, match="not the address of a Salesforce org") as refused:
        SignIn.read({**ORG, **SECRET, "token_url": given})
    assert refused.value.where == "destination.config.token_url"
    assert "pass-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "flow"),
    [
        (SECRET, "client"),
        ({"refresh_token": "5Aep861"}, "refresh"),
        ({**SECRET, "refresh_token": "5Aep861"}, "refresh"),
        (KEY, "jwt"),
    ],
)
def test_the_way_to_sign_in_follows_from_what_is_given(given: dict[str, str], flow: str) -> None:
    assert SignIn.read({**ORG, **given}).flow == flow


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({}, "client_secret"),
        ({"private_key": "-----BEGIN"}, "username"),
        ({"username": "integration@example.com"}, "username"),
        ({**SECRET, "username": "integration@example.com"}, "username"),
        ({**KEY, **SECRET}, "client_secret"),
        ({**KEY, "refresh_token": "5Aep861"}, "refresh_token"),
        ({**SECRET, "token_url": "https://login.salesforce.com"}, "token_url"),
        ({**SECRET, "token_url": "https://TEST.salesforce.com/"}, "token_url"),
    ],
    ids=str,
)
def test_what_is_missing_or_contradicts_is_said_before_anything_is_sent(given: dict[str, str], setting: str) -> None:
    with pytest.raises(SpecError) as refused:
        SignIn.read({**ORG, **given})
    assert refused.value.where == f"destination.config.{setting}"
    assert refused.value.fix


@pytest.mark.parametrize("given", [KEY, {"refresh_token": "5Aep861"}], ids=str)
@pytest.mark.parametrize("host", ["login", "test"])
def test_the_hosts_that_all_orgs_share_serve_the_other_ways(given: dict[str, str], host: str) -> None:
    assert SignIn.read({**ORG, **given, "token_url": f"https://{host}.salesforce.com"})


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        ("0Uv000000000001", "short form"),
        ("00D000000000001EAV", "begins with 0Uv"),
        ("0uv000000000001CAA", "begins with 0Uv"),
        ("0Uv000000000001CAA ", "has 19"),
        ("0Uv0000-0000001CAA", "letters and digits"),
        ("", "has 0"),
    ],
)
def test_a_business_unit_that_cannot_be_one_is_explained(unit: str, why: str) -> None:
    with pytest.raises(SpecError, match="not the id of a business unit") as refused:
        SignIn.read({**ORG, **SECRET, "business_unit_id": unit})
    assert refused.value.where == "destination.config.business_unit_id"
    assert why in refused.value.why


def test_an_answer_with_a_token_is_returned_and_the_token_never_shown(endpoint: TokenEndpoint) -> None:
    assert asked(endpoint)["access_token"] == "00Dissued!token"
    assert redact("it was 00Dissued!token") == "it was ***"


REFUSALS = [
    ("client", "invalid_grant", "request not supported on this domain", "token_url"),
    ("client", "invalid_client_id", "client identifier invalid", "client_id"),
    ("client", "invalid_client", "invalid client credentials", "client_secret"),
    ("client", "invalid_grant", "no client credentials user enabled", "client_id"),
    ("refresh", "invalid_grant", "expired access/refresh token", "refresh_token"),
    ("refresh", "invalid_grant", "inactive_user", "client_id"),
    ("refresh", "invalid_client", "invalid client credentials", "client_secret"),
    ("jwt", "invalid_client_id", "client identifier invalid", "client_id"),
    ("jwt", "invalid_grant", "audience is invalid", "token_url"),
    ("jwt", "invalid_grant", "user hasn't approved this consumer", "username"),
    ("jwt", "invalid_grant", "inactive_user", "username"),
    ("jwt", "invalid_grant", "invalid assertion", "private_key"),
    ("jwt", "invalid_grant", "authentication failure", "username"),
    ("jwt", "unsupported_grant_type", "grant type not supported", "client_id"),
    ("client", "something_new", "that nobody has met", "client_id"),
]


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize(("flow", "error", "description", "setting"), REFUSALS)
def test_a_refusal_names_the_setting_to_correct(
    endpoint: TokenEndpoint, flow: Flow, error: str, description: str, setting: str, status: int
) -> None:
    endpoint.answer = Response(status, {"error": error, "error_description": description})
    with pytest.raises(CredentialsError) as refused:
        asked(endpoint, flow)
    assert refused.value.where == f"destination.config.{setting}"
    assert description in refused.value.what
    assert refused.value.fix


@pytest.mark.parametrize("text", ["token request is already being processed", "expired authorization code"])
def test_a_refresh_token_in_use_elsewhere_is_no_refusal(endpoint: TokenEndpoint, text: str) -> None:
    endpoint.answer = Response(400, {"error": "invalid_grant", "error_description": text})
    with pytest.raises(Busy):
        asked(endpoint, "refresh")


@pytest.mark.parametrize(
    "answer",
    [
        Response(500, {"error": "unknown_error", "error_description": "retry your request"}),
        Response(503, "<html>maintenance</html>"),
        Response(429, {"error": "too_many"}),
        Response(200, {"token_type": "Bearer"}),
        Response(200, "<html>a proxy's page</html>"),
    ],
    ids=str,
)
def test_a_token_host_in_trouble_can_be_asked_again(endpoint: TokenEndpoint, answer: Response) -> None:
    endpoint.answer = answer
    with pytest.raises(RetryLater) as later:
        asked(endpoint)
    assert later.value.where == "destination.config.token_url"


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"drop": "after"}, {"truncate": True}], ids=str)
def test_an_answer_that_is_lost_can_be_asked_for_again(endpoint: TokenEndpoint, fault: dict[str, Any]) -> None:
    endpoint.add_fault(**fault)
    with pytest.raises(RetryLater) as later:
        asked(endpoint)
    assert type(later.value) is RetryLater
    assert asked(endpoint)


@pytest.mark.parametrize("answer", [Response(404, "<html>no such page</html>"), Response(302, ""), Response(403, "no")])
def test_a_host_without_a_sign_in_is_a_wrong_address(endpoint: TokenEndpoint, answer: Response) -> None:
    endpoint.answer = answer
    with pytest.raises(CredentialsError, match="no Salesforce sign-in at this address") as refused:
        asked(endpoint)
    assert refused.value.where == "destination.config.token_url"
