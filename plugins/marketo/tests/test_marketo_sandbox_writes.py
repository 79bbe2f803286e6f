"""The sandbox's other lead writes: push, merge, associate; and partitions and field schemas.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

import pytest

LEADS = "/rest/v1/leads.json"
PARTITIONS = "/rest/v1/leads/partitions.json"
CLIENT = {"client_id": "sandbox", "client_secret": "sandbox-secret", "user": "api@example.com"}


def reseed(sandbox, api, **seed):
    sandbox.seed = seed
    sandbox.reset()
    credentials = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = api.get("/identity/oauth/token", params=credentials).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


def write(api, *records, path=LEADS, **body):
    return api.post(path, json={"input": list(records), **body}).json()


def code(answer):
    assert answer["success"] is False
    return answer["errors"][0]["code"]


def codes(answer):
    return [row["reasons"][0]["code"] if "reasons" in row else row["status"] for row in answer["result"]]


def found(api, **query):
    return api.get(LEADS, params=query).json()["result"]


# Push Lead ----------------------------------------------------------------------------------------------------------

PUSH = "/rest/v1/leads/push.json"


def test_push_writes_leads_and_puts_them_in_the_program(api, sandbox):
    write(api, {"email": "ada@example.com"})
    people = [{"email": "ada@example.com"}, {"email": "bob@example.com"}, {"email": "x", "title": "CTO"}]
    answer = write(
        api, *people, path=PUSH, programName="Expo 2026", programStatus="Registered", source="engine", reason="scan"
    )
    assert answer["warnings"] == []
    assert answer["result"][:2] == [{"id": 1, "status": "updated"}, {"id": 2, "status": "created"}]
    assert codes(answer)[2] == "1003"
    assert [(row["leadId"], row["statusName"]) for row in sandbox.state()["members"]] == [
        (1, "Registered"), (2, "Registered"),
    ]  # fmt: skip
    sandbox.switches["push_failure"] = "no_status"
    assert set(write(api, people[2], path=PUSH, programName="Expo 2026")["result"][0]) == {"reasons"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "1002"),
        ({"programName": "Nothing"}, "1013"),
        ({"programName": "Expo 2026", "programStatus": "Gone"}, "1025"),
        ({"programName": "Expo 2026", "lookupField": "mktToken"}, "1011"),
    ],
)
def test_a_push_that_names_what_is_not_there_writes_nothing(api, sandbox, body, expected):
    assert code(write(api, {"email": "ada@example.com"}, path=PUSH, **body)) == expected
    assert sandbox.state()["leads"] == []


# Merge and associate ------------------------------------------------------------------------------------------------


def test_a_merge_keeps_what_the_loser_knew_and_its_places(api, sandbox):
    reseed(
        sandbox, api,
        leads=[{"email": "a@example.com", "title": "CTO"}, {"email": "b@example.com", "title": "CEO", "city": "Oslo"}],
        members=[{"programId": 1107, "leadId": number, "statusName": status}
                 for number, status in ((1, "Invited"), (2, "Attended"))],
    )  # fmt: skip
    api.post("/rest/v1/lists/1001/leads.json", params={"id": "2"})
    answer = api.post("/rest/v1/leads/1/merge.json", params={"leadIds": "2"}).json()
    assert answer["success"] and "result" not in answer
    (lead,) = sandbox.state()["leads"]
    assert (lead["id"], lead["email"], lead["title"], lead["city"]) == (1, "a@example.com", "CTO", "Oslo")
    assert [(row["leadId"], row["statusName"]) for row in sandbox.state()["members"]] == [(1, "Attended")]
    assert sandbox.state()["lists"] == {"1001": [1]}


def test_the_id_of_a_merged_lead_is_gone_or_stands_for_the_winner(api, sandbox):
    reseed(sandbox, api, leads=[{"email": "a@example.com"}, {"email": "b@example.com"}, {"email": "c@example.com"}])
    api.post("/rest/v1/leads/2/merge.json", params={"leadIds": "3"})
    api.post("/rest/v1/leads/1/merge.json", params={"leadIds": "2"})
    update = {"action": "updateOnly", "lookupField": "id"}
    assert found(api, filterType="id", filterValues="3") == []
    assert code(api.get("/rest/v1/lead/3.json").json()) == "1004"
    assert codes(write(api, {"id": 3, "title": "CTO"}, **update)) == ["1004"]
    sandbox.switches["merged_id"] = "winner"
    assert [row["id"] for row in found(api, filterType="id", filterValues="3")] == [1]
    assert api.get("/rest/v1/lead/3.json").json()["result"][0]["id"] == 1
    assert write(api, {"id": 3, "title": "CTO"}, **update)["result"] == [{"id": 1, "status": "updated"}]


def test_a_merge_that_cannot_be_is_refused(api, sandbox):
    reseed(sandbox, api, leads=[{"email": "a@example.com"}, {"email": "b@example.com"}])
    path = "/rest/v1/leads/1/merge.json"
    assert code(api.post(path, data={"leadIds": "2"}).json()) == "1003"
    assert code(api.post(path, params={"leadIds": "9"}).json()) == "1004"
    assert code(api.post(path, params={"leadIds": "1"}).json()) == "1003"
    assert code(api.post(path, params={"leadIds": ",".join(map(str, range(2, 28)))}).json()) == "1080"
    assert code(api.post("/rest/v1/leads/9/merge.json", params={"leadIds": "1"}).json()) == "1004"
    assert len(sandbox.state()["leads"]) == 2


def test_a_cookie_is_associated_where_it_is_one(api, sandbox):
    reseed(sandbox, api, leads=[{"email": "a@example.com"}])
    good = {"cookie": "id:123-ABC-456&token:_mch-example.com-1"}
    assert api.post("/rest/v1/leads/1/associate.json", params=good).json()["success"]
    assert code(api.post("/rest/v1/leads/1/associate.json", params={"cookie": "x"}).json()) == "1012"
    assert code(api.post("/rest/v1/leads/9/associate.json", params=good).json()) == "1004"


# Partitions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def divided(sandbox, api):
    """Partitions Default, EMEA and APAC, of which the client sees two; a lead in each."""
    reseed(
        sandbox, api,
        partitions=[{"name": "EMEA"}, {"name": "APAC"}],
        clients=[{**CLIENT, "partitions": ["Default", "EMEA"]}],
        leads=[{"email": "d@example.com"}, {"email": "e@example.com", "partition": "EMEA"},
               {"email": "p@example.com", "partition": "APAC"}],
    )  # fmt: skip


def test_a_client_sees_its_partitions_only(api, divided):
    assert [row["name"] for row in api.get(PARTITIONS).json()["result"]] == ["Default", "EMEA"]
    query = {"filterType": "email", "filterValues": "d@example.com,e@example.com,p@example.com"}
    rows = found(api, **query, fields="leadPartitionId")
    assert rows == [{"id": 1, "leadPartitionId": 1}, {"id": 2, "leadPartitionId": 2}]
    assert [row["id"] for row in found(api, filterType="leadPartitionId", filterValues="2")] == [2]
    assert code(api.get("/rest/v1/lead/3.json").json()) == "1004"
    body = {"statusName": "Registered", "input": [{"leadId": 3}]}
    assert codes(api.post("/rest/v1/programs/1107/members/status.json", json=body).json()) == ["1004"]


def test_leads_are_written_in_the_partition_that_is_named(api, sandbox, divided):
    assert codes(write(api, {"email": "new@example.com"}, partitionName="EMEA")) == ["created"]
    assert found(api, filterType="email", filterValues="new@example.com", fields="leadPartitionId") == [
        {"id": 4, "leadPartitionId": 2}
    ]
    people = [{"email": "d@example.com"}, {"email": "e@example.com"}, {"email": "p@example.com"}]
    assert codes(write(api, *people, partitionName="EMEA")) == ["1010", "updated", "1008"]
    assert codes(write(api, *people)) == ["updated", "updated", "1008"]
    assert code(write(api, people[0], partitionName="APAC")) == "1008"
    assert code(write(api, people[0], partitionName="Nowhere")) == "1008"
    sandbox.switches.update(partition_denied="record", partition_required=True)
    assert codes(write(api, *people, partitionName="APAC")) == ["1008"] * 3
    assert code(write(api, people[0])) == "1009"
    assert codes(write(api, people[0], action="updateOnly")) == ["updated"]


def test_a_client_writes_to_the_first_partition_it_sees(api, sandbox, divided):
    reseed(sandbox, api, partitions=[{"name": "EMEA"}], clients=[{**CLIENT, "partitions": ["EMEA"]}])
    write(api, {"email": "new@example.com"})
    assert sandbox.state()["leads"][0]["leadPartitionId"] == 2


def test_leads_can_be_moved_to_another_partition(api, divided):
    answer = write(
        api,
        {"id": 1, "partitionName": "EMEA"},
        {"id": 1, "partitionName": "APAC"},
        {"id": 3, "partitionName": "EMEA"},
        path=PARTITIONS,
    )
    assert codes(answer) == ["updated", "1008", "1004"]
    assert [row["id"] for row in found(api, filterType="leadPartitionId", filterValues="2")] == [1, 2]


def test_partitions_can_be_databases_of_their_own(api, sandbox, divided):
    sandbox.switches["custom_dedupe"] = "email+partition"
    assert codes(write(api, {"email": "d@example.com"}, partitionName="EMEA")) == ["created"]
    assert codes(write(api, {"email": "d@example.com"})) == ["updated"]


# Field schemas ------------------------------------------------------------------------------------------------------

SCHEMA = "/rest/v1/leads/schema/fields"


def test_field_schemas_need_permissions_of_their_own(api, sandbox):
    assert code(api.get(f"{SCHEMA}.json").json()) == "603"
    custom = "Read-Only Schema Custom Field"
    reseed(sandbox, api, clients=[{**CLIENT, "permissions": [custom]}])
    rows = api.get(f"{SCHEMA}.json").json()["result"]
    assert all(row["isCustom"] for row in rows) and "badgeId" in {row["name"] for row in rows}
    assert api.get(f"{SCHEMA}/badgeId.json").json()["result"][0]["dataType"] == "string"
    assert code(api.get(f"{SCHEMA}/email.json").json()) == "603"
    assert code(api.get(f"{SCHEMA}/noSuch.json").json()) == "1006"


def test_field_schemas_come_in_pages(api, sandbox):
    both = ["Read-Write Schema Standard Field", "Read-Write Schema Custom Field", "Read-Only Lead"]
    reseed(sandbox, api, clients=[{**CLIENT, "permissions": both}])
    names, query = [], {"batchSize": "40"}
    while True:
        page = api.get(f"{SCHEMA}.json", params=query).json()
        names += [row["name"] for row in page["result"]]
        assert page["moreResult"] is ("nextPageToken" in page)
        if not page["moreResult"]:
            break
        query["nextPageToken"] = page["nextPageToken"]
    described = api.get("/rest/v1/leads/describe2.json").json()["result"][0]["fields"]
    assert len(names) > 80 and names == [field["name"] for field in described]


def test_a_field_of_the_seed_can_be_out_of_reach(api, sandbox):
    reseed(sandbox, api, fields=[{"name": "soapOnly", "rest": False}])
    rows = api.get("/rest/v1/leads/describe.json").json()["result"]
    assert [row.get("rest") for row in rows if row["soap"]["name"] == "SoapOnly"] == [None]
    assert codes(write(api, {"email": "a@example.com", "soapOnly": "x"})) == ["1006"]
