"""Calls beyond reading and writing JSON: long queries, deletions, files handed over and reports fetched."""

from __future__ import annotations

import pytest
from engine_marketo.errors import Refused

from engine.errors import CredentialsError, NoAnswer, RetryLater, SpecError


def test_a_query_may_repeat_a_name_and_a_long_one_travels_as_a_form(client, sandbox, api):
    ids = [
        str(row["id"])
        for row in api.post("/rest/v1/leads.json", json={"input": [{"email": f"{n}@example.com"} for n in range(3)]})
        .json()["result"]
    ]  # fmt: skip
    body = ('{"input":[' + ",".join(f'{{"id":{id}}}' for id in ids[:2]) + "]}").encode()
    client.write("/rest/v1/lists/1001/leads.json", body)
    members = client.read("/rest/v1/lists/1001/leads/ismember.json", [("id", id) for id in ids])["result"]
    assert [row["status"] for row in members] == ["memberof", "memberof", "notmemberof"]
    many = [("filterType", "id"), ("filterValues", ",".join(ids)), ("fields", ",".join(["email"] * 1500))]
    assert len(client.read("/rest/v1/leads.json", many)["result"]) == 3
    assert sandbox.calls("POST /rest/v1/leads.json")[-1]["query"] == {"_method": "GET"}


def test_members_are_taken_out_of_a_list(client, sandbox, api):
    (row,) = api.post("/rest/v1/leads.json", json={"input": [{"email": "ada@example.com"}]}).json()["result"]
    body = f'{{"input":[{{"id":{row["id"]}}}]}}'.encode()
    path = "/rest/v1//lists/1001/leads.json"
    client.write(path, body)
    assert client.delete(path, body)["result"][0]["status"] == "removed"
    assert client.delete(path, body)["result"][0]["reasons"][0]["code"] == "1015"
    assert all("//" not in call["request"] for call in sandbox.calls())


CSV = b"email,firstName,eventScore\nada@example.com,Ada,5\nbob@example.com,Bob,high\n"
IMPORT = "/bulk/v1/leads.json"


def test_a_file_is_uploaded_and_its_report_downloaded(client, sandbox):
    batch = client.upload(IMPORT, {"format": "csv", "lookupField": "email"}, "leads.csv", CSV)["result"][0]["batchId"]
    sandbox.advance(60)
    assert client.read(f"/bulk/v1/leads/batch/{batch}.json")["result"][0]["status"] == "Complete"
    report = client.download(f"/bulk/v1/leads/batch/{batch}/failures.json")
    assert b"bob@example.com" in report and b"Import Failure Reason" in report and b"ada@" not in report
    assert client.download(f"/bulk/v1/leads/batch/{batch}/warnings.json") == b""


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"error": "1016"}, RetryLater),
        ({"error": "1013"}, Refused),
        ({"error": "603"}, CredentialsError),
        ({"status": 503, "body": "<html></html>"}, RetryLater),
        ({"status": 404, "body": "<html></html>"}, SpecError),
        ({"body": "<html>200</html>"}, RetryLater),
        ({"body": {"success": True, "result": []}}, RetryLater),
        ({"drop": "before"}, RetryLater),
    ],
    ids=str,
)
def test_a_report_that_is_an_error_is_not_taken_for_a_file(client, sandbox, fault, error):
    sandbox.add_fault(match="failures", **fault)
    with pytest.raises(error) as caught:
        client.download("/bulk/v1/leads/batch/1/failures.json")
    assert not isinstance(caught.value, NoAnswer)


def test_a_report_is_asked_for_again_with_a_new_token(client, sandbox):
    sandbox.add_fault(match="failures", error="602")
    sandbox.add_fault(match="failures", body="email,Import Failure Reason\n")
    assert client.download("/bulk/v1/leads/batch/1/failures.json").startswith(b"email")


def test_an_upload_without_an_answer_has_an_unknown_effect(client, sandbox):
    sandbox.add_fault(match=IMPORT, drop="after")
    with pytest.raises(NoAnswer):
        client.upload(IMPORT, {"format": "csv"}, "leads.csv", CSV)
