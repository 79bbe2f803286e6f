"""The sandbox's descriptions of the lead fields, in the three ways in which Marketo gives them.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

from engine_marketo.sandbox_calls import ApiError, Call, Row
from engine_marketo.sandbox_fields import SEARCHABLE, LeadField
from engine_marketo.sandbox_gates import require
from engine_marketo.sandbox_upsert import LOOKUP_TYPES
from engine_marketo.sandbox_world import World

STANDARD_FIELDS, CUSTOM_FIELDS = "Read-Only Schema Standard Field", "Read-Only Schema Custom Field"


def describe(world: World, call: Call) -> Row:
    """Every field; one without `rest` cannot be used over this API."""
    rows = []
    for field in world.described:
        row: Row = {"id": field.id, "displayName": field.label, "dataType": field.data_type, **_length(field)}
        if field.rest:
            row["rest"] = {"name": field.name, "readOnly": field.read_only}
        row["soap"] = {"name": field.name[0].upper() + field.name[1:], "readOnly": field.read_only}
        rows.append(row)
    return {"result": rows}


def describe2(world: World, call: Call) -> Row:
    custom = [name for name, field in world.fields.items() if field.custom and field.data_type in LOOKUP_TYPES]
    searchable = [[name] for name in (*SEARCHABLE, *custom)]
    fields = [described(field, updateable=not field.read_only) for field in world.fields.values()]
    return {"result": [{"name": "API Lead", "searchableFields": searchable, "fields": fields}]}


def described(field: LeadField, *, updateable: bool) -> Row:
    """A field as describe2 and the description of program members show it."""
    row: Row = {"name": field.name, "displayName": field.label, "dataType": field.data_type, **_length(field)}
    return {**row, "updateable": updateable, "crmManaged": False}


def schema(world: World, call: Call) -> Row:
    """The fields whose kind, standard or custom, the client's role permits, in pages."""
    found = [field for field in world.fields.values() if _permission(field) in call.permissions]
    page, answer = call.page(found, more=True)
    return {"result": [_schema_row(field) for field in page], **answer}


def schema_field(world: World, call: Call) -> Row:
    field = world.fields.get(call.parts["name"])
    if field is None:
        raise ApiError("1006", f"Field '{call.parts['name']}' not found")
    require(call.permissions, _permission(field))
    return {"result": [_schema_row(field)]}


def _permission(field: LeadField) -> str:
    return CUSTOM_FIELDS if field.custom else STANDARD_FIELDS


def _schema_row(field: LeadField) -> Row:
    return {
        "displayName": field.label,
        "name": field.name,
        "description": None,
        "dataType": field.data_type,
        **_length(field),
        "isHidden": False,
        "isHtmlEncodingInEmail": True,
        "isSensitive": False,
        "isCustom": field.custom,
        "isApiCreated": False,
    }


def _length(field: LeadField) -> Row:
    return {} if field.length is None else {"length": field.length}
