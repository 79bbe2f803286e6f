"""The sandbox's leads and programs as any HTTP client sees them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import orjson
import pytest
from engine_marketo.sandbox import MarketoSandbox
from engine_marketo.vendor import MarketoVendor

LEADS = "/rest/v1/leads.json"
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}


def write(api, *records, **body):
    return api.post(LEADS, json={"input": list(records), **body}).json()


def rows(api, *records, **body):
    return write(api, *records, **body)["result"]


def code(answer):
    assert answer["success"] is False
    return answer["errors"][0]["code"]


def reason(row):
    assert row["status"] == "skipped" and "id" not in row
    return row["reasons"][0]["code"], row["reasons"][0]["message"]


def sign_in(api):
    token = api.get("/identity/oauth/token", params=CREDENTIALS).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


def reseed(sandbox, api, **seed):
    sandbox.seed = seed
    sandbox.reset()
    sign_in(api)


def test_the_vendor_ships_it():
    sandbox = MarketoVendor.sandbox(port=18473, seed={"leads": [{"email": "ada@example.com"}]})
    assert isinstance(sandbox, MarketoSandbox)
    assert sandbox.url == "http://127.0.0.1:18473"
    assert len(sandbox.state()["leads"]) == 1


def test_it_says_how_to_reach_it(sandbox):
    assert sandbox.environment() == {
        "MARKETO_BASE_URL": sandbox.url,
        "MARKETO_CLIENT_ID": "sandbox",
        "MARKETO_CLIENT_SECRET": "sandbox-secret",
    }


# Writing leads ------------------------------------------------------------------------------------------------------


def test_rows_come_in_the_order_of_the_input(api):
    answer = rows(api, {"email": "a@example.com"}, {"email": "b@example.com", "eventScore": "x"}, {"firstName": "C"})
    assert answer[0] == {"id": 1, "status": "created"}
    assert reason(answer[1]) == ("1003", "Invalid value for field 'eventScore' and value 'x'")
    assert reason(answer[2])[0] == "1003"


def test_one_address_twice_in_a_call_is_created_and_then_updated(api):
    answer = rows(api, {"email": "a@example.com"}, {"email": "A@example.com", "title": "CTO"})
    assert answer == [{"id": 1, "status": "created"}, {"id": 1, "status": "updated"}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"action": "createOnly"}, "1005"),
        ({"action": "updateOnly", "lookupField": "id"}, "1003"),
        ({"action": "createOnly", "input": [{"id": 1, "email": "b@example.com"}]}, "1003"),
        ({"action": "updateOnly", "input": [{"email": "b@example.com"}]}, "1004"),
        ({"lookupField": "id", "input": [{"id": 99}]}, "1004"),
        ({"input": [{"email": "ada@example.com", "createdAt": "2026-01-01T00:00:00Z"}]}, "1003"),
        ({"input": [{"email": "ada@example.com", "noSuch": 1}]}, "1006"),
        ({"input": ["ada@example.com"]}, "1003"),
    ],
)
def test_a_record_that_cannot_be_written_is_skipped(api, body, expected):
    rows(api, {"email": "ada@example.com"})
    answer = api.post(LEADS, json={"input": [{"email": "ada@example.com"}], **body}).json()
    assert reason(answer["result"][0])[0] == expected


def test_a_lookup_field_must_be_searchable(api):
    assert code(write(api, {"firstName": "Ada"}, lookupField="firstName")) == "1011"
    assert rows(api, {"badgeId": "7", "firstName": "Ada"}, lookupField="badgeId")[0]["status"] == "created"
    assert rows(api, {"badgeId": "7", "title": "CTO"}, lookupField="badgeId") == [{"id": 1, "status": "updated"}]


def test_an_unknown_action_is_refused(api):
    assert code(write(api, {"email": "ada@example.com"}, action="upsert")) == "1003"


def test_a_lead_deleted_while_it_is_written_is_not_found(api, sandbox):
    reseed(sandbox, api, latency={"write": 1}, leads=[{"email": "ada@example.com"}])
    sandbox.pause = lambda _: sandbox.world.delete(1)
    assert reason(rows(api, {"email": "ada@example.com"})[0])[0] == "1004"


def test_an_update_by_id_changes_the_address_that_is_sent(api, sandbox):
    rows(api, {"email": "ada@example.com"}, {"email": "bob@example.com"})
    assert rows(api, {"id": 1, "email": "bob@example.com"}, action="updateOnly", lookupField="id")[0] == {
        "id": 1,
        "status": "updated",
    }
    assert sandbox.state()["duplicates"] == ["bob@example.com"]
    answer = rows(api, {"email": "bob@example.com"})
    assert reason(answer[0]) == ("1007", "Multiple lead match lookup criteria")
    assert rows(api, {"email": "bob@example.com"}, action="createDuplicate")[0]["status"] == "created"
    assert rows(api, {"email": "ada@example.com"})[0]["status"] == "created"


@pytest.mark.parametrize(
    ("field", "good", "stored", "bad"),
    [
        ("eventScore", "12", 12, 14.1),
        ("annualRevenue", 1.5, 1.5, "14c"),
        ("unsubscribed", "true", True, "other"),
        ("dateOfBirth", "1990-02-28", "1990-02-28", "1990-02-30"),
        ("capturedAt", "2026-03-01T10:00:00.000+02:00", "2026-03-01T08:00:00Z", "yesterday"),
        ("firstName", "x" * 255, "x" * 255, "x" * 256),
        ("boothNotes", "ä" * 15_000, "ä" * 15_000, "ä" * 15_001),
        ("title", 7, "7", ["CTO"]),
        ("eventScore", 2**63 - 1, 2**63 - 1, 2**63),
        ("annualRevenue", "1.5", 1.5, True),
        ("dateOfBirth", "2026-01-01", "2026-01-01", 20260101),
        ("capturedAt", "2026-03-01T10:00:00", "2026-03-01T10:00:00Z", 5),
        ("title", True, "true", {"a": 1}),
    ],
)
def test_values_are_checked_by_the_fields_type(api, sandbox, field, good, stored, bad):
    rows(api, {"email": "ada@example.com", field: good})
    assert sandbox.state()["leads"][0][field] == stored
    answer = rows(api, {"email": "ada@example.com", "title": "new", field: bad})
    assert reason(answer[0]) == ("1003", f"Invalid value for field '{field}' and value '{bad}'")
    assert sandbox.state()["leads"][0][field] == stored
    rows(api, {"email": "ada@example.com", field: None})
    assert sandbox.state()["leads"][0][field] == (False if field == "unsubscribed" else None)


def test_switches_change_what_is_not_documented(api, sandbox):
    long, odd = {"email": "a@example.com", "firstName": "x" * 256}, {"email": "no address"}
    assert {row["status"] for row in rows(api, long, odd)} == {"skipped"}
    sandbox.switches.update(overlong="truncate", email_validation="lenient", unknown_field="ignore")
    assert {row["status"] for row in rows(api, long, odd, {"email": "c@example.com", "noSuch": 1})} == {"created"}
    sandbox.switches.update(field_case="insensitive", company_fields="1021", field_blocked_sources=["title"])
    assert rows(api, {"Email": "a@example.com", "TITLE": "CTO"})[0]["status"] == "updated"
    assert sandbox.state()["leads"][0].get("title") is None
    assert reason(rows(api, {"email": "a@example.com", "company": "Acme"})[0])[0] == "1021"
    sandbox.switches["unknown_field"] = "response"
    assert code(write(api, {"email": "a@example.com", "noSuch": 1})) == "1006"


def test_two_fields_can_make_a_duplicate(api, sandbox):
    sandbox.switches["custom_dedupe"] = "email+leadType"
    first, second = {"email": "a@example.com", "leadType": "A"}, {"email": "a@example.com"}
    assert [row["status"] for row in rows(api, first, second, first)] == ["created", "created", "updated"]
    assert [row["status"] for row in rows(api, first, second)] == ["updated", "updated"]


def test_overlapping_upserts_of_a_new_address_create_two_leads(api, sandbox):
    reseed(sandbox, api, latency={"write": 1})
    api.headers["Authorization"] = (
        "Bearer " + api.get("/identity/oauth/token", params=CREDENTIALS).json()["access_token"]
    )
    meeting = threading.Barrier(2)
    sandbox.pause = lambda _: meeting.wait(5)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: rows(api, {"email": "ada@example.com"}), range(2)))
    assert [row["status"] for result in done for row in result] == ["created", "created"]
    assert sandbox.state()["duplicates"] == ["ada@example.com"]
    sandbox.pause = lambda _: None
    assert reason(rows(api, {"email": "ada@example.com"})[0])[0] == "1007"


def test_upserts_without_latency_never_duplicate(api, sandbox):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: rows(api, {"email": "ada@example.com"}), range(32)))
    assert len(sandbox.state()["leads"]) == 1


# Reading and deleting -----------------------------------------------------------------------------------------------


def test_a_read_shows_the_default_fields_or_those_asked_for(api):
    rows(api, {"email": "ada@example.com", "firstName": "Ada"})
    query = {"filterType": "email", "filterValues": "nobody@example.com,ADA@example.com"}
    (lead,) = api.get(LEADS, params=query).json()["result"]
    assert list(lead) == ["id", "firstName", "lastName", "email", "updatedAt", "createdAt"]
    assert lead["lastName"] is None
    (lead,) = api.get(LEADS, params={**query, "fields": "title,unsubscribed"}).json()["result"]
    assert lead == {"id": 1, "title": None, "unsubscribed": False}
    form = urlencode({**query, "_method": "GET"})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert len(api.post(LEADS, content=form, headers=headers).json()["result"]) == 1
    assert api.get(LEADS, params={**query, "filterValues": "x@example.com"}).json()["result"] == []
    assert api.get("/rest/v1/lead/1.json").json()["result"][0]["firstName"] == "Ada"
    assert code(api.get("/rest/v1/lead/9.json").json()) == "1004"


def test_a_long_result_comes_in_pages(api, sandbox):
    reseed(sandbox, api, leads=[{"email": "twin@example.com"}] * 700)
    api.headers["Authorization"] = (
        "Bearer " + api.get("/identity/oauth/token", params=CREDENTIALS).json()["access_token"]
    )
    query, ids = {"filterType": "email", "filterValues": "twin@example.com"}, []
    while True:
        answer = api.get(LEADS, params=query).json()
        ids += [lead["id"] for lead in answer["result"]]
        if "nextPageToken" not in answer:
            break
        query["nextPageToken"] = answer["nextPageToken"]
    assert ids == list(range(1, 701))
    assert code(api.get(LEADS, params={**query, "nextPageToken": "?"}).json()) == "1003"


def test_a_custom_field_can_be_a_filter(api):
    rows(api, {"email": "ada@example.com", "badgeId": "B7"})
    found = api.get(LEADS, params={"filterType": "badgeId", "filterValues": "b7"}).json()
    assert [lead["id"] for lead in found["result"]] == [1]
    assert code(api.get(LEADS, params={"filterType": "title", "filterValues": "x"}).json()) == "1011"


def test_a_new_lead_can_take_time_to_be_found(api, sandbox):
    sandbox.switches["read_after_write"] = 3
    rows(api, {"email": "ada@example.com"})
    query = {"filterType": "email", "filterValues": "ada@example.com"}
    assert api.get(LEADS, params=query).json()["result"] == []
    sandbox.advance(3)
    assert len(api.get(LEADS, params=query).json()["result"]) == 1


def test_a_deleted_lead_is_gone_with_its_memberships(api, sandbox):
    rows(api, {"email": "ada@example.com"}, {"email": "bob@example.com"})
    body = {"statusName": "Registered", "input": [{"leadId": 1}, {"leadId": 2}]}
    api.post("/rest/v1/programs/1107/members/status.json", json=body)
    deleted = api.post("/rest/v1/leads/delete.json", json={"input": [{"id": 1}]}).json()["result"]
    again = api.post(LEADS, params={"_method": "DELETE"}, json={"input": [{"id": 1}, {"id": 2}]}).json()["result"]
    assert deleted == [{"id": 1, "status": "deleted"}]
    assert (reason(again[0])[0], again[1]) == ("1004", {"id": 2, "status": "deleted"})
    assert (sandbox.state()["leads"], sandbox.state()["members"]) == ([], [])
    assert rows(api, {"email": "ada@example.com"}) == [{"id": 3, "status": "created"}]


def test_fields_are_described_in_two_ways(api):
    all_rows = api.get("/rest/v1/leads/describe.json").json()["result"]
    described = {row["rest"]["name"]: row for row in all_rows if "rest" in row}
    assert [row["displayName"] for row in all_rows if "rest" not in row] == ["Social Syndication ID"]
    assert described["email"]["dataType"] == "email" and described["email"]["length"] == 255
    assert described["createdAt"]["rest"]["readOnly"] and "length" not in described["createdAt"]
    (described2,) = api.get("/rest/v1/leads/describe2.json").json()["result"]
    assert ["badgeId"] in described2["searchableFields"] and ["firstName"] not in described2["searchableFields"]
    assert {field["name"] for field in described2["fields"]} == set(described)


# Programs -----------------------------------------------------------------------------------------------------------


def test_programs_and_channels_can_be_browsed(api):
    def names(path, **params):
        return [row["name"] for row in api.get(f"/rest/asset/v1/{path}.json", params=params).json()["result"]]

    assert names("programs", maxReturn=1, offset=1) == ["Summit 2026"]
    assert names("program/byName", name="Expo 2026") == ["Expo 2026"]
    assert names("channels") == names("channel/byName", name="Tradeshow") == ["Tradeshow"]
    channel = api.get("/rest/asset/v1/channel/byName.json", params={"name": "Tradeshow"}).json()["result"][0]
    steps = {status["name"]: status["step"] for status in channel["progressionStatuses"]}
    assert steps == {
        "Not in Program": 0, "Invited": 10, "Registered": 20, "Member": 25, "Engaged": 30, "Attended": 40,
    }  # fmt: skip


def test_members_can_be_read(api):
    rows(api, {"email": "ada@example.com"}, {"email": "bob@example.com"})
    path = "/rest/v1/programs/1107/members"
    answer = api.post(f"{path}/status.json", json={"statusName": "Attended", "input": [{"leadId": 1}, {"leadId": 9}]})
    assert answer.json()["result"] == [
        {"seq": 0, "status": "created", "leadId": 1},
        {"seq": 1, "status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]},
    ]
    query = {"filterType": "leadId", "filterValues": "1,2", "fields": "statusName"}
    (member,) = api.get(f"{path}.json", params=query).json()["result"]
    assert (member["leadId"], member["statusName"], member["reachedSuccess"]) == (1, "Attended", True)
    assert code(api.get(f"{path}.json", params={"filterType": "program", "filterValues": "x"}).json()) == "1003"


def test_the_seed_fills_it(api, sandbox):
    reseed(
        sandbox,
        api,
        leads=[{"id": 7149, "email": "ada@example.com"}],
        members=[{"programId": 5, "leadId": 7149, "statusName": "In"}],
        channels=[{"name": "Web", "statuses": [{"name": "In", "step": 1}]}],
        programs=[{"id": 5, "name": "Webinar", "channel": "Web"}],
    )
    state = api.get("/_sandbox/state").json()
    assert state["leads"][0]["id"] == 7149
    assert (state["members"][0]["program"], state["members"][0]["statusName"]) == ("Webinar", "In")
    assert state["counts"] == {"leads": 1, "members": 1, "calls": 0}
    assert orjson.dumps(sandbox.state())
