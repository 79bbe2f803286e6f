"""The sandbox's imports, by the sandbox's clock.

Source: developer.salesforce.com/docs/marketing/pardot/guide/import-v5
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

IMPORTS = "/api/v5/imports"
PROSPECTS = "/api/v5/objects/prospects"
ASKED = {"fields": "id,status,isExpired,createdCount,updatedCount,errorCount,errorsRef"}
UPSERT = {"operation": "Upsert", "object": "Prospect", "restoreDeleted": True, "createOnNoMatch": True}
PEOPLE = "matchEmail,email,firstName\nana@example.com,ana@example.com,Ana\nbo@example.com,bo@example.com,Bo\n"


def sign_in(api: httpx.Client) -> None:
    form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = api.post("/services/oauth2/token", data=form).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


@pytest.fixture
def clients() -> Iterator[Any]:
    """Open a client, signed in to a sandbox."""
    with ExitStack() as stack:

        def client(sandbox: Any) -> httpx.Client:
            unit = {"Pardot-Business-Unit-Id": "0Uv000000000001CAA"}
            opened = stack.enter_context(httpx.Client(base_url=sandbox.url, headers=unit))
            sign_in(opened)
            return opened

        yield client


@pytest.fixture
def api(clients: Any, sandbox: Any) -> httpx.Client:
    return clients(sandbox)  # type: ignore[no-any-return]


@pytest.fixture
def seeded(clients: Any, sandboxes: Any) -> Any:
    """Start a sandbox with a seed of its own, and a client for it."""

    def start(**seed: Any) -> tuple[Any, httpx.Client]:
        box = sandboxes(**seed)
        return box, clients(box)

    return start


def create(api: httpx.Client, **more: Any) -> int:
    answer = api.post(IMPORTS, params=ASKED, json={**UPSERT, **more})
    assert (answer.status_code, answer.json()["status"]) == (201, "Open")
    return int(answer.json()["id"])


def upload(api: httpx.Client, number: int, text: str) -> httpx.Response:
    return api.post(f"{IMPORTS}/{number}/batches", files={"file": ("people.csv", text, "text/csv")})


def submit(api: httpx.Client, number: int) -> httpx.Response:
    return api.patch(f"{IMPORTS}/{number}", params=ASKED, json={"status": "Ready"})


def status(api: httpx.Client, number: int) -> dict[str, Any]:
    return dict(api.get(f"{IMPORTS}/{number}", params=ASKED).json())


def counts(api: httpx.Client, number: int) -> tuple[int, int, int]:
    told = status(api, number)
    assert told["status"] == "Complete"
    return told["createdCount"], told["updatedCount"], told["errorCount"]


def imported(sandbox: Any, api: httpx.Client, text: str, **more: Any) -> int:
    """Import a file to its end and return the import's id."""
    number = create(api, **more)
    assert upload(api, number, text).status_code == 204
    assert submit(api, number).status_code == 200
    sandbox.advance(60)
    return number


def errors(api: httpx.Client, number: int) -> list[str]:
    answer = api.get(f"{IMPORTS}/{number}/errors")
    assert answer.headers["content-type"] == "text/csv;charset=UTF-8"
    return answer.text.splitlines()


def people(sandbox: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(each.get(name) for name in ("email", *names)) for each in sandbox.state()["prospects"]]


def code(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


# Its life -----------------------------------------------------------------------------------------------------------


def test_an_import_goes_through_its_states_by_the_clock(sandbox: Any, api: httpx.Client) -> None:
    number = create(api)
    assert upload(api, number, PEOPLE).status_code == 204
    assert submit(api, number).json()["status"] == "Ready"
    states = [status(api, number)["status"]]
    for seconds in (3, 3, 6):
        sandbox.advance(seconds)
        states.append(status(api, number)["status"])
    assert states == ["Ready", "Waiting", "Processing", "Complete"]
    assert counts(api, number) == (2, 0, 0)
    assert status(api, number)["errorsRef"] is None
    assert people(sandbox, "firstName") == [("ana@example.com", "Ana"), ("bo@example.com", "Bo")]
    assert sandbox.state()["imports"][0]["polls"] == 6


def test_one_call_creates_fills_and_submits(sandbox: Any, api: httpx.Client) -> None:
    def send() -> httpx.Response:
        parts = {"input": (None, json.dumps(UPSERT), "application/json"), "file": ("p.csv", PEOPLE, "text/csv")}
        return api.post(IMPORTS, params=ASKED, files=parts)

    assert send().json()["status"] == "Ready"
    sandbox.switches["import_with_file"] = "open"
    waiting = send().json()
    assert waiting["status"] == "Open"
    assert submit(api, waiting["id"]).json()["status"] == "Ready"
    sandbox.advance(60)
    # Both looked people up before either had written them, so each created everybody.
    assert len(people(sandbox)) == 4
    assert sandbox.statistics()["duplicates"] == ["ana@example.com", "bo@example.com"]
    assert sandbox.statistics()["overlapping_keys"] == ["email:ana@example.com", "email:bo@example.com"]


def test_a_write_while_an_import_runs_overlaps_it(sandbox: Any, api: httpx.Client) -> None:
    number = create(api)
    upload(api, number, PEOPLE)
    submit(api, number)
    sandbox.advance(6)
    assert status(api, number)["status"] == "Processing"
    api.post(PROSPECTS, json={"email": "Ana@example.com"})
    sandbox.advance(10)
    told = sandbox.statistics()
    assert (told["duplicates"], told["overlapping_keys"]) == (["ana@example.com"], ["email:ana@example.com"])


def test_files_are_for_open_imports_only(sandbox: Any, api: httpx.Client) -> None:
    number = create(api)
    assert code(submit(api, number)) == (400, 157)
    assert code(upload(api, number, "matchEmail,email\n")) == (400, 157)
    assert code(api.post(f"{IMPORTS}/{number}/batches", json={})) == (400, 157)
    upload(api, number, PEOPLE)
    submit(api, number)
    assert code(upload(api, number, PEOPLE)) == code(submit(api, number)) == (400, 155)
    assert code(api.get(f"{IMPORTS}/{number}/errors")) == (400, 155)
    assert code(submit(api, 5)) == (404, 109)
    assert code(api.patch(f"{IMPORTS}/{number}", json={"status": "Complete"})) == (400, 154)


def test_an_import_can_be_cancelled_until_it_is_processed(sandbox: Any, api: httpx.Client) -> None:
    first, second = create(api), create(api)
    for number in (first, second):
        upload(api, number, PEOPLE)
        submit(api, number)
    assert api.post(f"{IMPORTS}/{first}/do/cancel", params=ASKED).json()["status"] == "Canceled"
    sandbox.advance(6)
    assert code(api.post(f"{IMPORTS}/{second}/do/cancel")) == (400, 155)
    sandbox.advance(60)
    assert [each["status"] for each in sandbox.state()["imports"]] == ["Canceled", "Complete"]
    assert len(people(sandbox)) == 2


def test_imports_and_their_results_expire(sandbox: Any, api: httpx.Client) -> None:
    sandbox.switches["token_lifetime"] = 1e9
    forgotten = create(api)
    done = imported(sandbox, api, PEOPLE + "ana,x@example.com,No\n")
    assert len(errors(api, done)) == 2
    sandbox.advance(86_400)
    assert status(api, forgotten)["isExpired"]
    assert code(upload(api, forgotten, PEOPLE)) == (400, 163)
    sandbox.advance(7 * 86_400)
    assert (status(api, done)["status"], status(api, done)["isExpired"]) == ("Complete", True)
    assert code(api.get(f"{IMPORTS}/{done}/errors")) == (400, 163)


def test_batches_are_limited_in_number_and_size(seeded: Any) -> None:
    sandbox, api = seeded(import_limits={"batches": 2, "daily": 3, "bytes": 200})
    first, second = create(api), create(api)
    assert [upload(api, first, PEOPLE).status_code for _ in range(2)] == [204, 204]
    assert code(upload(api, first, PEOPLE)) == (400, 160)
    assert code(upload(api, second, PEOPLE + "x" * 200)) == (400, 161)
    upload(api, second, PEOPLE)
    third = create(api)
    assert code(upload(api, third, PEOPLE)) == (400, 164)
    sandbox.advance(86_400)
    sign_in(api)
    assert upload(api, create(api), PEOPLE).status_code == 204


def test_the_time_of_imports_is_in_the_seed_and_goes_by_its_speed(seeded: Any) -> None:
    sandbox, api = seeded(import_wait_seconds=100, import_seconds=0, import_row_seconds=50, speed=10)
    number = create(api)
    upload(api, number, PEOPLE)
    submit(api, number)
    seen = []
    for seconds in (6, 6, 9):
        sandbox.advance(seconds)
        seen.append(status(api, number)["status"])
    assert seen == ["Waiting", "Processing", "Complete"]


# What is told -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"operation": "Delete"}, 154),
        ({"object": None}, 154),
        ({"fields": [{"field": "nope"}]}, 130),
        ({"fields": [{"field": "createdAt"}]}, 130),
        ({"fields": ["email"]}, 154),
    ],
)
def test_an_import_is_described_rightly(api: httpx.Client, changes: dict[str, Any], expected: int) -> None:
    assert code(api.post(IMPORTS, json={**UPSERT, **changes})) == (400, expected)


def test_an_unknown_column_refuses_the_whole_file(sandbox: Any, api: httpx.Client) -> None:
    number = create(api)
    text = "matchEmail,email,Shoe Size\nana@example.com,ana@example.com,41\n"
    assert code(upload(api, number, text)) == (400, 130)
    sandbox.switches["import_bad_header"] = "failed"
    upload(api, number, text)
    submit(api, number)
    sandbox.advance(60)
    assert status(api, number)["status"] == "Failed"
    assert people(sandbox) == []


def test_states_may_be_lower_case_and_creation_may_answer_200(sandbox: Any, api: httpx.Client) -> None:
    sandbox.switches.update(import_status_case="lower", import_create_status=200)
    answer = api.post(IMPORTS, params={"fields": "status,batchesRef"}, json={**UPSERT, "operation": "upsert"})
    assert (answer.status_code, answer.json()["status"]) == (200, "open")
    assert answer.json()["batchesRef"].startswith(f"{sandbox.url}{IMPORTS}/871/")


def test_importing_takes_its_own_ability(seeded: Any) -> None:
    _, api = seeded(users=[{"id": 1, "email": "a@example.com", "abilities": ["view", "create"]}])
    assert code(api.post(IMPORTS, json=UPSERT)) == (405, 46)


# Rows ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "head", "row"),
    [
        ("after", "matchEmail,email,score,why", "cy@example.com,cy@example.com,high,{}"),
        ("before", "why,matchEmail,email,score", "{},cy@example.com,cy@example.com,high"),
        ("numbered", "row,matchEmail,email,score,why", "2,cy@example.com,cy@example.com,high,{}"),
    ],
)
def test_a_bad_row_fails_alone(sandbox: Any, api: httpx.Client, layout: str, head: str, row: str) -> None:
    sandbox.switches.update(import_errors=layout, import_error_column="why")
    text = "matchEmail,email,score\nana@example.com,ana@example.com,1\ncy@example.com,cy@example.com,high\n"
    number = imported(sandbox, api, text)
    assert counts(api, number) == (1, 0, 1)
    assert status(api, number)["errorsRef"] == f"{sandbox.url}{IMPORTS}/{number}/errors"
    assert errors(api, number) == [head, row.format("A property has an invalid value: score")]


def test_people_are_matched_by_id_by_crm_id_and_by_the_latest_of_an_address(seeded: Any) -> None:
    sandbox, api = seeded(
        prospects=[
            {"id": 1, "email": "ana@example.com"},
            {"id": 2, "email": "ana@example.com", "lastActivityAt": "2025-11-23T09:00:00-05:00"},
            {"id": 3, "email": "bo@example.com", "salesforceLeadId": "00Q000000000001AAA"},
        ]
    )
    text = (
        "matchId,matchSalesforceId,matchEmail,firstName\n1,,,One\n,00Q000000000001AAA,,Three\n"
        ",,ANA@example.com,Two\n1,,ana@example.com,Both\n9,,,Nobody\n"
    )
    number = imported(sandbox, api, text)
    assert counts(api, number) == (0, 3, 2)
    assert [each["firstName"] for each in sandbox.state()["prospects"]] == ["One", "Two", "Three"]
    assert [line.rsplit(",", 1)[1] for line in errors(api, number)[1:]] == [
        "A property has an invalid value: a row matches by one column only",
        "A required property is missing: email",
    ]


@pytest.mark.parametrize(("handling", "failed"), [("error", 1), ("silent", 0)])
def test_a_row_creates_nobody_where_that_is_not_wanted(
    sandbox: Any, api: httpx.Client, handling: str, failed: int
) -> None:
    sandbox.switches["import_no_match"] = handling
    text = "matchEmail,email\nana@example.com,ana@example.com\n,bo@example.com\n"
    assert counts(api, imported(sandbox, api, text, createOnNoMatch=False)) == (1, 0, failed)
    assert people(sandbox) == [("bo@example.com",)]


@pytest.mark.parametrize(("restore", "expected"), [(True, (0, 1, 0)), (False, (0, 0, 1))])
def test_the_recycle_bin_is_emptied_on_request(seeded: Any, restore: bool, expected: tuple[int, int, int]) -> None:
    sandbox, api = seeded(prospects=[{"id": 5, "email": "ana@example.com", "isDeleted": True}])
    text = "matchEmail,email,firstName\nana@example.com,ana@example.com,Ana\n"
    assert counts(api, imported(sandbox, api, text, restoreDeleted=restore)) == expected
    (ana,) = sandbox.state()["prospects"]
    assert (ana["id"], ana["isDeleted"], ana.get("firstName")) == (5, not restore, "Ana" if restore else None)


def test_columns_overwrite_as_they_are_told(seeded: Any) -> None:
    known = {"email": "ana@example.com", "campaignId": 668, "city": "Bonn", "jobTitle": "CTO", "state": "NRW"}
    sandbox, api = seeded(prospects=[known])
    columns = [{"field": "campaignId", "overwrite": False}, {"field": "city", "nullOverwrite": False}]
    text = (
        "matchEmail,email,campaignId,city,jobTitle,state\nana@example.com,ana@example.com,1107,,CEO,\n"
        "bo@example.com,bo@example.com,1107,,CEO,\n"
    )
    assert counts(api, imported(sandbox, api, text, fields=columns)) == (1, 1, 0)
    assert people(sandbox, "campaignId", "city", "jobTitle", "state") == [
        ("ana@example.com", 668, "Bonn", "CEO", None),
        ("bo@example.com", 1107, None, "CEO", None),
    ]


@pytest.mark.parametrize(("switch", "left"), [("clear", (None, None)), ("blank", ("Bonn", None))])
def test_what_clears_a_field_is_a_switch(seeded: Any, switch: str, left: tuple[Any, ...]) -> None:
    sandbox, api = seeded(prospects=[{"email": "ana@example.com", "city": "Bonn", "state": "NRW"}])
    sandbox.switches["import_blank"] = switch
    imported(sandbox, api, "matchEmail,city,state\nana@example.com,, \n")
    assert people(sandbox, "city", "state") == [("ana@example.com", *left)]


def test_lists_are_joined_and_left_by_a_file(seeded: Any) -> None:
    members = [{"listId": 233_088, "prospectId": 5}]
    sandbox, api = seeded(prospects=[{"id": 5, "email": "ana@example.com"}], memberships=members)
    text = (
        "matchEmail,addToList,removeFromList\nana@example.com,233086,233088\nana@example.com,233086;233090,\n"
        f"ana@example.com,{';'.join(['233086'] * 21)},\nana@example.com,4,\n"
    )
    number = imported(sandbox, api, text)
    assert counts(api, number) == (0, 1, 3)
    assert [each["listId"] for each in sandbox.state()["memberships"]] == [233_086]
    reasons = [line.rsplit(",", 1)[1] for line in errors(api, number)[1:]]
    assert reasons == ["Invalid list ID: dynamic list", "A property has an invalid value: at most 20 lists",
                       "Invalid list ID"]  # fmt: skip


@pytest.mark.parametrize(("handling", "made"), [("sequential", (1, 1, 0)), ("duplicate", (2, 0, 0))])
def test_a_key_that_is_twice_in_a_file(
    sandbox: Any, api: httpx.Client, handling: str, made: tuple[int, int, int]
) -> None:
    sandbox.switches["import_same_key"] = handling
    text = "matchEmail,email,city\nana@example.com,ana@example.com,Bonn\nANA@example.com,ana@example.com,Kiel\n"
    assert counts(api, imported(sandbox, api, text)) == made
    assert sandbox.statistics()["overlapping_keys"] == []


def test_the_order_of_rows_may_be_any(seeded: Any) -> None:
    sandbox, api = seeded(random=1, switches={"import_order": "shuffled"})
    rows = "".join(f"p{number}@example.com,p{number}@example.com\n" for number in range(20))
    imported(sandbox, api, f"matchEmail,email\n{rows}")
    emails = [email for (email,) in people(sandbox)]
    assert len(emails) == 20
    assert emails != sorted(emails, key=lambda email: int(email[1 : email.index("@")]))


def test_cells_are_text_and_too_long_ones_are_cut_off(seeded: Any) -> None:
    several = {"name": "Interests", "type": "Multi-Select"}
    sandbox, api = seeded(custom_fields=[several], switches={"too_long": "reject"})
    text = f"matchEmail,email,city,isStarred,Interests__c\na@example.com,a@example.com,{'x' * 300},TRUE,a;b\n"
    assert counts(api, imported(sandbox, api, text)) == (1, 0, 0)
    assert people(sandbox, "city", "isStarred", "Interests__c") == [("a@example.com", "x" * 255, True, ["a", "b"])]


# Faults -------------------------------------------------------------------------------------------------------------


def test_a_fault_can_take_one_row(sandbox: Any, api: httpx.Client) -> None:
    sandbox.add_fault(match="/batches", record_error="85", contains="bo@")
    sandbox.add_fault(match="/batches", record_error="38", record=0, message="No such campaign")
    first, second = imported(sandbox, api, PEOPLE), imported(sandbox, api, PEOPLE)
    assert errors(api, first)[1:] == ["bo@example.com,bo@example.com,Bo,The prospect could not be saved"]
    assert errors(api, second)[1:] == ["ana@example.com,ana@example.com,Ana,No such campaign"]


def test_an_upload_whose_answer_is_lost_was_taken_or_not(sandbox: Any, api: httpx.Client) -> None:
    for moment, created in (("before", 0), ("after", 2)):
        sandbox.reset()
        sign_in(api)
        number = create(api)
        sandbox.add_fault(match="/batches", drop=moment)
        with pytest.raises(httpx.RemoteProtocolError):
            upload(api, number, PEOPLE)
        assert (submit(api, number).status_code == 200) == bool(created)
        sandbox.advance(60)
        assert len(people(sandbox)) == created
