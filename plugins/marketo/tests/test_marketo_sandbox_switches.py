"""The sandbox's switches for what Adobe's pages leave open about writing and finding leads."""

from __future__ import annotations

import pytest

LEADS = "/rest/v1/leads.json"
TOO_MANY = [{"email": f"p{number}@example.com"} for number in range(301)]


def write(api, *records, **body):
    return api.post(LEADS, json={"input": list(records), **body}).json()


def outcomes(answer):
    return [row["reasons"][0]["code"] if "reasons" in row else row["status"] for row in answer["result"]]


@pytest.mark.parametrize(
    ("records", "switches", "default", "other"),
    [
        ([{"email": "a@x.example"}] * 2, {"same_key": "skip"}, ["created", "updated"], ["created", "1036"]),
        ([{"email": "a@x.example"}] * 2, {"same_key": "duplicate"}, ["created", "updated"], ["created", "created"]),
        ([{"email": "a@x.example", "unsubscribed": "true"}], {"string_booleans": "reject"}, ["created"], ["1003"]),
        ([{"email": "a@x.example", "eventScore": "x"}], {"type_error_code": "1001"}, ["1003"], ["1001"]),
        ([{"email": "a@x.example", "createdAt": "2026"}], {"read_only_write": "ignore"}, ["1003"], ["created"]),
        ([{"firstName": "Ada"}], {"missing_lookup": "1002"}, ["1003"], ["1002"]),
        ([{"email": "a@x.example"}, {"email": "A@x.example "}], {"email_match": "exact"}, ["created", "updated"],
         ["created", "created"]),
    ],
)  # fmt: skip
def test_a_switch_changes_the_outcome(api, sandbox, records, switches, default, other):
    assert outcomes(write(api, *records)) == default
    sandbox.reset()
    sandbox.switches.update(switches)
    credentials = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = api.get("/identity/oauth/token", params=credentials).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    assert outcomes(write(api, *records)) == other


def test_booleans_of_json_are_booleans_whatever_strings_are(api, sandbox):
    sandbox.switches["string_booleans"] = "reject"
    assert outcomes(write(api, {"email": "a@example.com", "unsubscribed": True})) == ["created"]
    assert outcomes(write(api, {"email": "a@example.com", "unsubscribed": None})) == ["updated"]
    assert sandbox.state()["leads"][0]["unsubscribed"] is False


def test_exact_addresses_are_found_exactly(api, sandbox):
    sandbox.switches["email_match"] = "exact"
    write(api, {"email": "Ada@example.com"})
    query = {"filterType": "email", "filterValues": "ada@example.com"}
    assert api.get(LEADS, params=query).json()["result"] == []
    assert outcomes(write(api, {"email": "Ada@example.com"})) == ["updated"]


@pytest.mark.parametrize(("switch", "expected"), [("1003", "1003"), ("611", "611"), ("accept", 301)])
def test_more_records_than_allowed_meet_what_the_switch_says(api, sandbox, switch, expected):
    sandbox.switches["too_many_records"] = switch
    answer = write(api, *TOO_MANY)
    assert (len(answer["result"]) if answer["success"] else answer["errors"][0]["code"]) == expected


def test_fewer_filter_values_may_be_allowed(api, sandbox):
    query = {"filterType": "id", "filterValues": ",".join(map(str, range(1, 102)))}
    assert api.get(LEADS, params=query).json()["success"]
    sandbox.switches["filter_values"] = 100
    assert api.get(LEADS, params=query).json()["errors"][0]["code"] == "1003"


def test_an_asynchronous_call_may_answer_nothing(api, sandbox):
    assert outcomes(write(api, {"email": "a@example.com"}, asyncProcessing=True)) == ["created"]
    sandbox.switches["async_processing"] = "empty"
    assert write(api, {"email": "b@example.com"}, asyncProcessing=True)["result"] == []
    assert len(sandbox.state()["leads"]) == 2


def test_the_text_for_several_leads_may_be_that_of_the_table(api, sandbox):
    # experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
    write(api, {"email": "a@example.com"}, {"email": "a@example.com"}, action="createDuplicate")

    def told():
        return write(api, {"email": "a@example.com"})["result"][0]["reasons"][0]["message"]

    assert told() == "Multiple lead match lookup criteria"
    sandbox.switches["multiple_text"] = "table"
    assert told() == "Multiple leads match the lookup criteria"
