"""The sandbox's program members: status, data, removal, reading; and the folders of programs.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/program-members
"""

from __future__ import annotations

import pytest

STATUS = "/rest/v1/programs/1107/members/status.json"
DATA = "/rest/v1/programs/1107/members.json"


@pytest.fixture(autouse=True)
def people(sandbox, api):
    """Three leads; the first is Registered in 1107."""
    reseed(sandbox, api)


def reseed(sandbox, api, **seed):
    sandbox.seed = {
        "leads": [{"email": f"{name}@example.com"} for name in ("ada", "bob", "eve")],
        "members": [{"programId": 1107, "leadId": 1, "statusName": "Registered"}],
        **seed,
    }
    sandbox.reset()
    credentials = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = api.get("/identity/oauth/token", params=credentials).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


def rows(api, path, *records, **body):
    return api.post(path, json={"input": list(records), **body}).json()["result"]


def code(answer):
    assert answer["success"] is False
    return answer["errors"][0]["code"]


def reason(row):
    assert row["status"] == "skipped" and "leadId" not in row
    return row["reasons"][0]["code"], row["reasons"][0]["message"]


def test_only_members_take_data(api, sandbox):
    answer = rows(
        api, DATA,
        {"leadId": 1, "registrationCode": "A-17", "rating": "4"},
        {"leadId": 2, "registrationCode": "B-1"},
        {"leadId": 9},
    )  # fmt: skip
    assert answer[0] == {"seq": 0, "status": "updated", "leadId": 1}
    assert (answer[1]["seq"], *reason(answer[1])) == (1, "1013", "Membership not found")
    assert reason(answer[2])[0] == "1004"
    (member,) = sandbox.state()["members"]
    assert (member["registrationCode"], member["boothVisit"], member["rating"]) == ("A-17", None, 4)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"qualifier": "Hot"}, ("1006", "Field 'qualifier' not found")),
        ({"rating": "high"}, ("1003", "Invalid value for field 'rating' and value 'high'")),
        ({"statusName": "Attended"}, ("1003", "Field 'statusName' is read only")),
    ],
)
def test_data_that_does_not_fit_skips_the_record(api, sandbox, record, expected):
    answer = rows(api, DATA, {"leadId": 1, "boothVisit": "yes", **record})
    assert reason(answer[0]) == expected
    assert sandbox.state()["members"][0]["boothVisit"] is None


def test_switches_decide_what_is_open_about_data(api, sandbox):
    sandbox.switches.update(unknown_field="ignore", read_only_write="ignore", type_error_code="1001")
    record = {"leadId": 1, "qualifier": "Hot", "statusName": "Attended", "boothVisit": "yes"}
    assert rows(api, DATA, record)[0]["status"] == "updated"
    assert reason(rows(api, DATA, {"leadId": 1, "rating": "x"})[0])[0] == "1001"
    assert rows(api, DATA, {"leadId": 1, "statusReason": "Walked in", "acquiredBy": True})[0]["status"] == "updated"
    assert sandbox.state()["members"][0]["statusReason"] == "Walked in"
    sandbox.switches.update(member_standard_fields="read_only", read_only_write="reject", unknown_field="response")
    assert reason(rows(api, DATA, {"leadId": 1, "statusReason": "x"})[0])[0] == "1003"
    assert code(api.post(DATA, json={"input": [{"leadId": 1, "qualifier": "Hot"}]}).json()) == "1006"


def test_the_seed_adds_member_fields_and_describe_lists_them(api, sandbox):
    reseed(sandbox, api, member_fields=[{"name": "seat", "dataType": "integer"}])
    assert rows(api, DATA, {"leadId": 1, "seat": 12})[0]["status"] == "updated"
    (described,) = api.get("/rest/v1/programs/members/describe.json").json()["result"]
    assert described["dedupeFields"] == ["leadId", "programId"]
    assert ["seat"] in described["searchableFields"]
    updateable = {field["name"] for field in described["fields"] if field["updateable"]}
    assert updateable == {"registrationCode", "boothVisit", "rating", "seat", "acquiredBy", "statusReason"}


def test_members_can_be_removed(api, sandbox):
    path = "/rest/v1/programs/1107/members/delete.json"
    answer = rows(api, path, {"leadId": 1}, {"leadId": 2}, {"leadId": 9})
    assert answer[0] == {"seq": 0, "status": "deleted", "leadId": 1}
    assert reason(answer[1]) == ("1037", "Lead not in program")
    assert reason(answer[2])[0] == "1004"
    assert sandbox.state()["members"] == []


def test_members_are_found_by_what_describe_says_is_searchable(api):
    rows(api, STATUS, {"leadId": 2}, {"leadId": 3}, statusName="Attended")
    rows(api, DATA, {"leadId": 3, "registrationCode": "A-17"})

    def found(**query):
        return [row["leadId"] for row in api.get(DATA, params=query).json()["result"]]

    assert found(filterType="statusName", filterValues="attended") == [2, 3]
    assert found(filterType="reachedSuccess", filterValues="true", batchSize=1) == [2]
    assert found(filterType="registrationCode", filterValues="A-17") == [3]
    query = {"filterType": "leadId", "filterValues": "3", "fields": "registrationCode,statusName"}
    (row,) = api.get(DATA, params=query).json()["result"]
    assert (row["seq"], row["registrationCode"], row["statusName"]) == (0, "A-17", "Attended")
    assert code(api.get(DATA, params={"filterType": "leadId"}).json()) == "1003"


def test_the_superseded_status_call_takes_members_only(api, sandbox):
    path = "/rest/v1/leads/programs/1107/status.json"
    answer = rows(api, path, {"id": 1}, {"id": 2}, {"id": 9}, status="Attended")
    assert answer[0] == {"id": 1, "status": "updated"}
    assert [row["reasons"][0]["code"] for row in answer[1:]] == ["1013", "1004"]
    sandbox.switches["legacy_status"] = "any"
    assert rows(api, path, {"id": 2}, status="Attended") == [{"id": 2, "status": "created"}]
    assert code(api.post(path, json={"status": "Gone", "input": [{"id": 1}]}).json()) == "1025"


def test_a_new_member_may_be_reported_as_updated(api, sandbox):
    sandbox.switches["member_created"] = "updated"
    assert rows(api, STATUS, {"leadId": 2}, statusName="Invited")[0]["status"] == "updated"


def test_memberships_can_be_read_from_the_lead_and_from_the_program(api):
    rows(api, "/rest/v1/programs/1108/members/status.json", {"leadId": 1}, statusName="Attended")
    path = "/rest/v1/leads/1/programMembership.json"
    one = {"filterType": "programId", "filterValues": "1108"}
    (row,) = api.get(path, params=one).json()["result"]
    assert (row["id"], row["name"], row["progressionStatus"]) == (1108, "Summit 2026", "Attended")
    assert row["reachedSuccess"] is True
    assert [row["id"] for row in api.get(path).json()["result"]] == [1107, 1108]
    assert code(api.get(path, params={"filterType": "name"}).json()) == "1003"
    assert code(api.get("/rest/v1/leads/9/programMembership.json").json()) == "1004"
    (lead,) = api.get("/rest/v1/leads/programs/1107.json", params={"fields": "email"}).json()["result"]
    assert (lead["email"], lead["membership"]["progressionStatus"]) == ("ada@example.com", "Registered")


def test_an_archived_program_takes_members_still(api, sandbox):
    # A trait of the folder: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/assets/folders
    reseed(
        sandbox, api,
        programs=[
            {"id": 1200, "name": "Expo 2020", "channel": "Tradeshow", "archived": True},
            {"id": 1201, "name": "Expo 2027", "channel": "Tradeshow", "folder": "Next year"},
        ],
    )  # fmt: skip

    def folder(program):
        asset = api.get(f"/rest/asset/v1/program/{program}.json").json()["result"][0]
        query = {"type": asset["folder"]["type"]}
        row = api.get(f"/rest/asset/v1/folder/{asset['folder']['value']}.json", params=query).json()["result"][0]
        assert row["name"] == asset["folder"]["folderName"]
        return row["name"], row["isArchive"]

    assert [folder(program) for program in (1107, 1200, 1201)] == [
        ("Events", False), ("Archive", True), ("Next year", False),
    ]  # fmt: skip
    assert rows(api, "/rest/v1/programs/1200/members/status.json", {"leadId": 1}, statusName="Attended")
    assert "result" not in api.get("/rest/asset/v1/folder/5.json", params={"type": "Folder"}).json()
    assert "result" not in api.get("/rest/asset/v1/folder/1910.json", params={"type": "Program"}).json()
