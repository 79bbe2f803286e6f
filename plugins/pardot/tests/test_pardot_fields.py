"""The field list: standard and custom fields, their types, lengths and notes."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import CredentialsError


def test_the_field_list_holds_standard_and_custom_fields(sandbox: Any, vendor: Any) -> None:
    fields = {each.name: each for each in vendor.fields()}
    assert (fields["email"].type, fields["email"].length, fields["email"].writable) == ("email", 255, True)
    assert (fields["firstName"].type, fields["firstName"].length) == ("string", 255)
    assert [fields[name].type for name in ("annualRevenue", "employees", "yearsInBusiness")] == ["string"] * 3
    assert [fields[name].type for name in ("campaignId", "isDoNotCall", "salesforceOwnerId")] == [
        "integer", "boolean", "string",
    ]  # fmt: skip
    assert (fields["Badge_Scans__c"].type, fields["Event_Notes__c"].length) == ("float", 65_535)
    assert fields["LinkedIn_URL__c"].label == "LinkedIn URL"
    assert "on_create" in fields["campaignId"].note


@pytest.mark.parametrize("name", ["id", "createdAt", "grade", "assignedToId", "salesforceUrl", "lastActivityAt"])
def test_what_pardot_keeps_itself_cannot_be_written(sandbox: Any, vendor: Any, name: str) -> None:
    field = next(each for each in vendor.fields() if each.name == name)
    assert (field.writable, field.note) == (False, "read-only")


def test_custom_types_are_told_by_name_in_any_case(sandboxes: Any, vendors: Any) -> None:
    types = {"A": "textarea", "B": "NUMBER", "C": "Date", "D": "crm user", "E": "multi-select", "F": "Hidden"}
    sandbox = sandboxes(custom_fields=[{"name": name, "type": type} for name, type in types.items()])
    fields = {each.name: each for each in vendors(sandbox).fields()}
    assert [fields[f"{name}__c"].type for name in types] == ["text", "float", "date", "reference", "string", "string"]
    assert fields["E__c"].note == "takes several values"


def test_notes_say_what_a_field_keeps_and_what_pardot_does_not_tell(sandboxes: Any, vendors: Any) -> None:
    custom = {"name": "Talks", "type": "Dropdown", "values": ["A"], "isRequired": True}
    sandbox = sandboxes(custom_fields=[{**custom, "isRecordMultipleResponses": True}])
    note = next(each.note for each in vendors(sandbox).fields() if each.name == "Talks__c")
    assert "cannot be cleared" in note and "required" in note and "`options`" in note


def test_a_long_field_list_is_read_page_by_page(sandboxes: Any, vendors: Any) -> None:
    sandbox = sandboxes(custom_fields=[{"name": f"Field {number}"} for number in range(1200)])
    names = {each.name for each in vendors(sandbox).fields()}
    assert {"Field_0__c", "Field_1199__c"} <= names
    assert len(sandbox.calls("custom-fields")) == 2


def test_a_role_that_may_not_list_custom_fields_is_told_which_ability_it_lacks(sandboxes: Any, vendors: Any) -> None:
    user = {"id": 1, "email": "integration@example.com", "abilities": ["view", "create"]}
    with pytest.raises(CredentialsError, match="custom fields cannot be read") as refused:
        vendors(sandboxes(users=[user])).fields()
    assert "Prospects > Configure Fields" in refused.value.fix
