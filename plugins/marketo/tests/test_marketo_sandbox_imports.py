"""The sandbox's bulk imports, by the sandbox's clock.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-lead-import,
…/rest/bulk-import/bulk-program-member-import
"""

from __future__ import annotations

import pytest

LEADS = "/bulk/v1/leads.json"
MEMBERS = "/bulk/v1/program/1107/members/import.json"
PEOPLE = "email,firstName,eventScore\nada@example.com,Ada,5\nbob@example.com,,\n"


def reseed(sandbox, api, **seed):
    sandbox.seed = seed
    sandbox.reset()
    sign_in(api)


def sign_in(api):
    credentials = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = api.get("/identity/oauth/token", params=credentials).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


def send(api, text, path=LEADS, **params):
    query = {"format": "csv", **params}
    return api.post(path, params=query, files={"file": ("people.csv", text, "text/csv")}).json()


def code(answer):
    assert answer["success"] is False
    return answer["errors"][0]["code"]


def batch(answer):
    (row,) = answer["result"]
    assert row["status"] == "Queued" and row["importId"] == str(row["batchId"])
    return row["batchId"]


def status(api, number, path="/bulk/v1/leads/batch/{}.json"):
    return api.get(path.format(number)).json()["result"][0]


def finished(api, sandbox, answer):
    """An import's last answer."""
    number = batch(answer)
    sandbox.advance(60)
    return status(api, number)


def report(api, what, number=1):
    answer = api.get(f"/bulk/v1/leads/batch/{number}/{what}.json")
    assert answer.headers["content-type"] == "text/csv;charset=UTF-8"
    return answer.text


def people(sandbox):
    return [(lead["email"], lead.get("firstName"), lead.get("eventScore")) for lead in sandbox.state()["leads"]]


def test_an_import_takes_its_time_and_then_the_leads_are_there(api, sandbox):
    reseed(sandbox, api, leads=[{"email": "bob@example.com", "firstName": "Bob"}])
    number = batch(send(api, PEOPLE))
    assert status(api, number) == {"batchId": 1, "importId": "1", "status": "Importing"}
    assert people(sandbox) == [("bob@example.com", "Bob", None)]
    sandbox.advance(6)
    assert status(api, number) == {
        "batchId": 1, "importId": "1", "status": "Complete", "numOfLeadsProcessed": 2, "numOfRowsFailed": 0,
        "numOfRowsWithWarning": 0, "message": "Import succeeded, 2 records imported (2 members)",
    }  # fmt: skip
    assert people(sandbox) == [("bob@example.com", "Bob", None), ("ada@example.com", "Ada", 5)]
    assert report(api, "failures") == report(api, "warnings") == ""
    assert sandbox.state()["imports"][0]["status"] == "Complete"


def test_a_bad_row_fails_alone_and_a_bad_address_is_a_warning(api, sandbox):
    text = (
        "email,eventScore,badgeId\nada@example.com,high,1\nno address,2,7\nbob@example.com,3,3\n,4,4\n"
        '"eve@example.com",5,"a, b"\n'
    )
    done = finished(api, sandbox, send(api, text))
    assert (done["numOfLeadsProcessed"], done["numOfRowsFailed"], done["numOfRowsWithWarning"]) == (3, 2, 1)
    assert done["message"] == "Import completed with errors, 3 records imported (3 members), 2 failed"
    assert report(api, "failures") == (
        "email,eventScore,badgeId,Import Failure Reason\n"
        "ada@example.com,high,1,Invalid data type in field Event Score\n"
        ",4,4,Value for lookup field 'email' is missing\n"
    )
    assert report(api, "warnings") == (
        "email,eventScore,badgeId,Import Warning Reason\nno address,2,7,Invalid email address\n"
    )
    assert [email for email, *_ in people(sandbox)] == ["no address", "bob@example.com", "eve@example.com"]


@pytest.mark.parametrize(("form", "between"), [("tsv", "\t"), ("ssv", ";")])
def test_other_separators(api, sandbox, form, between):
    done = finished(api, sandbox, send(api, "\ufeff" + PEOPLE.replace(",", between), format=form))
    assert (done["numOfLeadsProcessed"], len(people(sandbox))) == (2, 2)


def test_an_import_by_id_only_updates(api, sandbox):
    reseed(sandbox, api, leads=[{"email": "ada@example.com"}])
    done = finished(api, sandbox, send(api, "id,firstName\n1,Ada\n9,Nobody\nx,Odd\n", lookupField="id"))
    assert (done["numOfLeadsProcessed"], done["numOfRowsFailed"]) == (1, 2)
    assert report(api, "failures").splitlines()[1:] == [
        "9,Nobody,Lead not found",
        "x,Odd,Invalid data type in field Id",
    ]
    assert people(sandbox) == [("ada@example.com", "Ada", None)]


def test_several_leads_with_a_key_fail_their_row(api, sandbox):
    reseed(sandbox, api, leads=[{"email": "ada@example.com"}] * 2)
    assert finished(api, sandbox, send(api, PEOPLE))["numOfRowsFailed"] == 1
    assert "Multiple lead match lookup criteria" in report(api, "failures")


def test_an_import_can_fill_a_list_to_which_no_other_runs(api, sandbox):
    send(api, PEOPLE, listId="1001")
    assert code(send(api, PEOPLE, listId="1001")) == "1019"
    assert code(send(api, PEOPLE, listId="5")) == "1013"
    sandbox.advance(60)
    assert sandbox.state()["lists"] == {"1001": [1, 2]}
    assert send(api, PEOPLE, listId="1001")["success"]


def test_two_run_ten_are_open_and_more_are_refused(api):
    numbers = [batch(send(api, PEOPLE)) for _ in range(10)]
    states = [status(api, number)["status"] for number in numbers]
    assert states == ["Importing"] * 2 + ["Queued"] * 8
    assert code(send(api, PEOPLE)) == "1016"


def test_the_queue_moves_with_the_clock(api, sandbox):
    numbers = [batch(send(api, PEOPLE)) for _ in range(4)]
    sandbox.advance(6)
    states = [status(api, number)["status"] for number in numbers]
    assert states == ["Complete"] * 2 + ["Importing"] * 2
    sandbox.advance(6)
    # The first two ran at once and did not see each other's leads, so the last one met two leads for every key.
    assert [status(api, number)["numOfRowsFailed"] for number in numbers] == [0, 0, 0, 2]
    assert sandbox.statistics()["duplicates"] == ["ada@example.com", "bob@example.com"]


@pytest.mark.parametrize("speed", [1, 10])
def test_how_long_an_import_takes_is_in_the_seed(api, sandbox, speed):
    reseed(sandbox, api, import_seconds=100, import_row_seconds=50, speed=speed)
    number = batch(send(api, PEOPLE))
    sandbox.advance(195 / speed)
    assert status(api, number)["status"] == "Importing"
    sandbox.advance(10 / speed)
    assert status(api, number)["status"] == "Complete"


@pytest.mark.parametrize(
    ("text", "params", "expected"),
    [
        ("email,noSuch\na@example.com,1\n", {}, "1006"),
        ("firstName\nAda\n", {}, "1003"),
        ("email\n", {}, "1003"),
        (PEOPLE, {"format": "xls"}, "1003"),
        (PEOPLE, {"lookupField": "firstName"}, "1011"),
        (PEOPLE, {"partitionName": "Nowhere"}, "1008"),
    ],
)
def test_an_import_that_cannot_be_done_is_refused(api, sandbox, text, params, expected):
    assert code(send(api, text, **params)) == expected
    assert sandbox.state()["imports"] == []


def test_what_is_uploaded_must_be_a_file(api):
    assert code(api.post(LEADS, content=b"x", headers={"Content-Type": "text/csv"}).json()) == "612"
    assert code(api.post(LEADS, files={"other": ("x", b"x")}).json()) == "613"
    large = b"email\n" + b"x" * (10 * 2**20)
    assert api.post(LEADS, files={"file": ("x.csv", large)}).status_code == 413


def test_a_batch_is_known_for_seven_days(api, sandbox):
    assert code(api.get("/bulk/v1/leads/batch/5.json").json()) == "1003"
    sandbox.switches["unknown_batch"] = "1013"
    assert code(api.get("/bulk/v1/leads/batch/5/failures.json").json()) == "1013"
    number = batch(send(api, PEOPLE))
    assert code(api.get(f"/bulk/v1/program/members/import/{number}/status.json").json()) == "1013"
    sandbox.advance(8 * 86_400)
    sign_in(api)
    assert code(api.get(f"/bulk/v1/leads/batch/{number}.json").json()) == "1013"


def test_switches_decide_what_is_open_about_imports(api, sandbox):
    reseed(sandbox, api, leads=[{"email": "bob@example.com", "firstName": "Bob"}])
    sandbox.switches.update(
        import_empty="clear", import_email="reject", import_unknown_column="ignore", field_case="insensitive"
    )
    done = finished(api, sandbox, send(api, "Email,FirstName,noSuch\nbob@example.com,,1\nodd,O,1\n"))
    assert (done["numOfLeadsProcessed"], done["numOfRowsFailed"]) == (1, 1)
    assert report(api, "failures").splitlines()[1] == "odd,O,1,Invalid email address"
    assert people(sandbox) == [("bob@example.com", None, None)]
    sandbox.switches["import_unknown_column"] = "failed"
    number = batch(send(api, "email,noSuch\nnew@example.com,1\n"))
    sandbox.advance(60)
    assert status(api, number)["status"] == "Failed"
    assert len(people(sandbox)) == 1


def test_an_import_of_members_sets_status_and_data_and_only_moves_forward(api, sandbox):
    reseed(
        sandbox, api,
        leads=[{"email": "ada@example.com"}],
        members=[{"programId": 1107, "leadId": 1, "statusName": "Attended"}],
    )  # fmt: skip
    text = (
        "email,firstName,registrationCode,rating\nada@example.com,Ada,A-1,5\nbob@example.com,Bob,B-2,\n"
        "x@example.com,,,no\n"
    )
    number = batch(send(api, text, path=MEMBERS, programMemberStatus="Registered"))
    sandbox.advance(60)
    path = "/bulk/v1/program/members/import/{}"
    done = status(api, number, path + "/status.json")
    assert (done["numOfLeadsProcessed"], done["numOfRowsFailed"]) == (2, 1)
    assert "Invalid data type in field Rating" in api.get(path.format(number) + "/failures.json").text
    assert api.get(path.format(number) + "/warnings.json").text == ""
    members = [
        (row["leadId"], row["statusName"], row["registrationCode"], row["rating"]) for row in sandbox.state()["members"]
    ]
    assert members == [(1, "Attended", "A-1", 5), (2, "Registered", "B-2", None)]
    assert people(sandbox)[0][1] == "Ada"


def test_an_import_of_members_needs_a_program_and_a_status(api):
    assert code(send(api, PEOPLE, path=MEMBERS)) == "1002"
    assert code(send(api, PEOPLE, path=MEMBERS, programMemberStatus="Gone")) == "1025"
    unknown = MEMBERS.replace("1107", "9")
    assert code(send(api, PEOPLE, path=unknown, programMemberStatus="Registered")) == "1013"
    assert code(send(api, "firstName\nAda\n", path=MEMBERS, programMemberStatus="Registered")) == "1003"


def test_an_import_holds_its_keys_for_as_long_as_it_runs(api, sandbox):
    def write(email):
        return api.post("/rest/v1/leads.json", json={"input": [{"email": email}]}).json()["result"][0]

    send(api, PEOPLE)
    assert write("eve@example.com")["status"] == "created"
    assert sandbox.statistics()["overlapping_keys"] == []
    assert write("Ada@example.com")["status"] == "created"
    assert sandbox.statistics()["overlapping_keys"] == ["email:ada@example.com"]
    sandbox.advance(60)
    # The import looked the address up when nobody had it.
    assert sandbox.statistics()["duplicates"] == ["ada@example.com"]
    write("bob@example.com")
    assert sandbox.statistics()["overlapping_keys"] == ["email:ada@example.com"]
