"""What the field list says of each field."""

from __future__ import annotations

import pytest

from engine.errors import CredentialsError, RetryLater, VendorUnavailable


def test_fields_say_what_can_be_written(vendor, sandbox):
    sandbox.seed = {"fields": [{"name": "heat", "dataType": "score"}, {"name": "odd", "dataType": "lead_function"}]}
    sandbox.reset()
    fields = {field.name: field for field in vendor.fields()}
    assert (fields["email"].type, fields["email"].length, fields["email"].writable) == ("email", 255, True)
    assert not fields["createdAt"].writable and not fields["id"].writable
    assert (fields["mktoPersonNotes"].type, fields["mktoPersonNotes"].length) == ("text", None)
    assert fields["heat"].type == "integer" and fields["odd"].type == "string"
    assert fields["firstName"].label == "First Name"


def test_a_field_without_a_rest_name_is_left_out(vendor, sandbox):
    rows = [{"id": 1, "dataType": "string", "soap": {"name": "Old"}}, {"id": 2, "rest": {"name": "new"}}]
    sandbox.add_fault(match="describe", status=200, body={"requestId": "1#1", "success": True, "result": rows})
    assert [field.name for field in vendor.fields()] == ["new"]


def named(vendor):
    return {field.name: field for field in vendor.fields()}


def test_limits_are_in_characters_and_for_texts_in_bytes(vendor, sandbox):
    rows = [
        {"dataType": "string", "length": 40, "rest": {"name": "short"}},
        {"dataType": "string", "rest": {"name": "unmeasured"}},
        {"dataType": "text", "rest": {"name": "notes"}},
        {"dataType": "integer", "rest": {"name": "score"}},
    ]
    sandbox.add_fault(match="describe.json", status=200, body={"requestId": "1#1", "success": True, "result": rows})
    fields = named(vendor)
    assert {name: (field.length, field.max_bytes) for name, field in fields.items()} == {
        "short": (40, None),
        "unmeasured": (255, None),
        "notes": (None, 30_000),
        "score": (None, None),
    }


def test_fields_that_leads_can_be_found_by_are_told(vendor):
    searchable = {name for name, field in named(vendor).items() if field.searchable}
    assert {"email", "id", "badgeId", "scanCount"} <= searchable
    assert not {"firstName", "boothNotes", "consentGiven"} & searchable


def test_what_cannot_be_written_says_why(vendor, sandbox):
    fields = named(vendor)
    assert "read-only" in fields["createdAt"].note
    assert "identifies the lead" in fields["id"].note
    rows = [
        {"name": "API Lead", "fields": [{"name": "leadType", "updateable": False}], "searchableFields": [["email"]]}
    ]
    sandbox.add_fault(match="describe2", status=200, body={"requestId": "1#1", "success": True, "result": rows})
    assert not named(vendor)["leadType"].writable


def test_company_fields_are_pointed_out_and_refused_on_demand(connect):
    allowed, refused = named(connect())["company"], named(connect(company_fields="refuse"))["company"]
    assert (allowed.writable, refused.writable) == (True, False)
    assert "Sync Leads does not take it" in allowed.note and "Sync Leads does not take it" in refused.note
    assert named(connect(company_fields="refuse"))["externalCompanyId"].writable


def test_what_an_administrator_made_of_a_field_is_told_where_it_may_be_read(vendor, sandbox):
    rows = [{"name": "leadType", "isHidden": True}, {"name": "badgeId", "isSensitive": True}]
    pages = [
        {"result": rows[:1], "nextPageToken": "next", "moreResult": True},
        {"result": rows[1:], "moreResult": False},
    ]
    for page in pages:
        sandbox.add_fault(match="schema", status=200, body={"requestId": "1#1", "success": True, **page})
    fields = named(vendor)
    assert "hidden" in fields["leadType"].note and "sensitive" in fields["badgeId"].note
    assert fields["leadScore"].note == ""


@pytest.mark.parametrize("fault", [{"error": "608"}, {"error": "607"}, {"drop": "after"}, {"empty": True}], ids=str)
def test_what_cannot_be_told_now_is_not_taken_for_a_fact(vendor, sandbox, fault):
    sandbox.add_fault(match="describe2", **fault)
    with pytest.raises((RetryLater, VendorUnavailable)):
        vendor.fields()


@pytest.mark.parametrize("fault", [{"error": "603"}, {"error": "610"}, {"error": "1003"}], ids=str)
def test_the_list_does_without_what_only_adds_to_it(vendor, sandbox, fault):
    whole = vendor.fields()
    sandbox.add_fault(match="describe2|schema", times=-1, **fault)
    fields = vendor.fields()
    assert [(field.name, field.type, field.writable) for field in fields] == [
        (field.name, field.type, field.writable) for field in whole
    ]
    # What can be searched by is not known then, and is left to Marketo to refuse.
    assert named(vendor)["badgeId"].searchable


def test_the_list_costs_three_calls(vendor, sandbox):
    vendor.fields()
    assert len(sandbox.calls("leads")) == 3


@pytest.mark.parametrize(("fault", "error"), [({"error": "603"}, CredentialsError), ({"empty": True}, RetryLater)])
def test_the_list_itself_is_needed(vendor, sandbox, fault, error):
    sandbox.add_fault(match="describe.json", **fault)
    with pytest.raises(error):
        vendor.fields()


def test_a_description_without_fields_is_none(vendor, sandbox):
    sandbox.add_fault(match="describe.json", status=200, body={"requestId": "1#1", "success": True, "result": []})
    with pytest.raises(RetryLater):
        vendor.fields()
