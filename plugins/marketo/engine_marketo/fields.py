"""The fields of leads: what describe, its successor and the schema say of each, put together.

Describe names the fields and is needed; describe2 adds what leads can be found by, the schema what an administrator
has made of a field. The schema takes a permission of its own, so most API users go without it.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.errors import CredentialsError, RetryLater, SpecError
from engine.records import Field
from engine_marketo.batches import objects
from engine_marketo.client import Client
from engine_marketo.config import Settings
from engine_marketo.envelope import rows
from engine_marketo.errors import Refused

#: Characters of a string field of which describe gives no length, and bytes of a text field.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/field-types
STRING_LENGTH = 255
TEXT_BYTES = 30_000

#: The vendor's data types by the engine's names where they differ; one that is not known is text.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/field-types
_TYPES: Mapping[str, str] = {
    **{
        name: name
        for name in (
            "string", "text", "email", "integer", "float", "boolean", "date", "datetime", "phone", "url", "currency",
            "percent", "reference",
        )
    },
    "score": "integer",
}  # fmt: skip
#: What a custom field must be to be searched by.
_SEARCHABLE_TYPES = frozenset({"string", "email", "integer"})

#: Fields of a lead that are stored with its company.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
_COMPANY_FIELDS = frozenset((
    "company", "site", "billingStreet", "billingCity", "billingState", "billingCountry", "billingPostalCode",
    "mainPhone", "website", "industry", "numberOfEmployees", "annualRevenue", "sicCode", "mktoCompanyNotes",
))  # fmt: skip
_COMPANY_NOTE = "company field: kept with the lead's company; Adobe's pages say Sync Leads does not take it"

#: The standard field that most mappings write a lead field to.
USUAL: Mapping[str, str] = {
    "email": "email", "first_name": "firstName", "last_name": "lastName", "middle_name": "middleName",
    "salutation": "salutation", "company": "company", "job_title": "title", "department": "department",
    "phone": "phone", "mobile_phone": "mobilePhone", "company_phone": "mainPhone", "address": "address", "city": "city",
    "state": "state", "postal_code": "postalCode", "country": "country", "website": "website", "industry": "industry",
    "company_size": "numberOfEmployees", "company_revenue": "annualRevenue", "event": "leadSource",
    "notes": "mktoPersonNotes",
}  # fmt: skip

_Row = Mapping[str, Any]


def describe(client: Client, settings: Settings) -> Sequence[Field]:
    """Return the lead fields that the REST API knows, in three calls (one more per 300 fields of the schema).

    `length` is in characters, `max_bytes` in UTF-8 bytes. Raises RetryLater, CredentialsError, VendorUnavailable.
    """
    described = rows(client.read("/rest/v1/leads/describe.json"))
    searchable, details = _describe2(client)
    schema = _schema(client)
    fields: list[Field] = []
    for row in described:
        rest = row.get("rest")
        if not isinstance(rest, Mapping) or not rest.get("name"):
            continue
        name = str(rest["name"])
        type_ = _type(row)
        found_by = type_ in _SEARCHABLE_TYPES if searchable is None else name in searchable
        read_only = bool(rest.get("readOnly")) or details.get(name, {}).get("updateable") is False
        notes = _notes(name, schema.get(name, {}), read_only=read_only)
        refused = name in _COMPANY_FIELDS and settings.company_fields == "refuse"
        writable = not read_only and name != "id" and not refused
        fields.append(_field(name, type_, row, writable=writable, searchable=found_by, note="; ".join(notes)))
    if not fields:
        raise RetryLater("Marketo describes no fields of leads", where="leads/describe.json", after=5.0)
    return fields


def member_fields(client: Client) -> Sequence[Field]:
    """Return the fields that a membership has of its own; none where the API user may not read them.

    Raises RetryLater, VendorUnavailable.
    Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/program-members
    """
    try:
        described = next(iter(rows(client.read("/rest/v1/programs/members/describe.json"))), {})
    except (CredentialsError, Refused):
        return ()
    return [
        _field(str(row["name"]), _type(row), row, writable=row.get("updateable") is True)
        for row in objects(described.get("fields"))
        if row.get("name")
    ]


class IntegerFields:
    """Which fields hold whole numbers, read when it is first asked. Safe to use from many threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._names: frozenset[str] | None = None

    def __contains__(self, name: str) -> bool:
        """Whether the field `name` is one. Raises RetryLater, CredentialsError, VendorUnavailable."""
        with self._lock:
            if self._names is None:
                described = rows(self._client.read("/rest/v1/leads/describe.json"))
                integers = [
                    row for row in described if _type(row) == "integer" and isinstance(row.get("rest"), Mapping)
                ]
                self._names = frozenset(str(row["rest"].get("name")) for row in integers)
            return name in self._names


def _field(name: str, type_: str, row: _Row, *, writable: bool, searchable: bool = False, note: str = "") -> Field:
    length = row.get("length")
    return Field(
        name=name,
        type=type_,
        label=str(row.get("displayName") or ""),
        length=int(length) if length else STRING_LENGTH if type_ == "string" else None,
        writable=writable,
        max_bytes=TEXT_BYTES if type_ == "text" else None,
        searchable=searchable,
        note=note,
    )


def _type(row: _Row) -> str:
    return _TYPES.get(str(row.get("dataType", "")).lower(), "string")


def _notes(name: str, schema: _Row, *, read_only: bool) -> Iterable[str]:
    """What people should know of a field, in a fixed order."""
    if name == "id":
        yield "identifies the lead and cannot be written"
    elif read_only:
        yield "read-only"
    if name in _COMPANY_FIELDS:
        yield _COMPANY_NOTE
    if schema.get("isHidden"):
        yield "hidden in Marketo"
    if schema.get("isSensitive"):
        yield "marked as sensitive in Marketo"


def _describe2(client: Client) -> tuple[frozenset[str] | None, Mapping[str, _Row]]:
    """The fields that leads can be found by (None where that is not told), and what is said of each field."""
    described = next(iter(rows(_whatever(client, "/rest/v1/leads/describe2.json"))), {})
    given = described.get("searchableFields")
    # Each entry is a list of the names that make up one key; leads have only keys of one field.
    single = frozenset(str(key[0]) for key in given if len(key) == 1) if isinstance(given, list) else None
    return single, {str(row.get("name")): row for row in objects(described.get("fields"))}


def _schema(client: Client) -> Mapping[str, _Row]:
    fields: dict[str, _Row] = {}
    params: dict[str, str] = {}
    while True:
        envelope = _whatever(client, "/rest/v1/leads/schema/fields.json", params)
        fields.update((str(row.get("name")), row) for row in rows(envelope))
        token = str(envelope.get("nextPageToken") or "")
        if not token or token == params.get("nextPageToken"):
            return fields
        params = {"nextPageToken": token}


def _whatever(client: Client, path: str, params: Mapping[str, str] | None = None) -> _Row:
    """Read what the field list can do without: a refusal is an answer without rows.

    Raises RetryLater and VendorUnavailable: what cannot be told now is no fact to be remembered.
    """
    try:
        return client.read(path, params)
    except (CredentialsError, SpecError):
        return {}
