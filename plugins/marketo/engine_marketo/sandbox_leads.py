"""The sandbox's lead database: sync, read, delete and describe.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from engine_marketo.sandbox_fields import COMPANY_FIELDS, SEARCHABLE, Check
from engine_marketo.sandbox_world import ApiError, Call, Row, World, email_key, skipped

#: What a read returns where no fields are named, in the order in which Marketo does.
DEFAULT_PROJECTION = ("id", "firstName", "lastName", "email", "updatedAt", "createdAt")
_ACTIONS = frozenset({"createOrUpdate", "createOnly", "updateOnly", "createDuplicate"})
_PAGE = 300
_MOST_MATCHES = 1000
_LOOKUP_TYPES = frozenset({"string", "email", "integer"})

#: A record's key and the ids of the leads that had it when the call began.
_Match = tuple[Any, tuple[int, ...]]


def sync(world: World, call: Call, wait: Callable[[], None] | None) -> Row:
    """Create and update leads. `wait` takes the simulated time of the call; None is no time.

    Leads are looked up at the start and written at the end, with no lock between: overlapping calls for a new key
    create two leads, as the vendor does.
    """
    body, records = call.records()
    action, lookup = body.get("action", "createOrUpdate"), body.get("lookupField", "email")
    if action not in _ACTIONS:
        raise ApiError("1003", f"Invalid value for action: '{action}'")
    _require_lookup_field(world, lookup)
    if world.switches["field_case"] == "insensitive":
        records = _in_known_case(world, records)
    if wait is None:
        with world.lock:
            return {"result": _Commit(world, action, lookup).rows(records, _matches(world, records, lookup))}
    with world.lock:
        matches = _matches(world, records, lookup)
    wait()
    with world.lock:
        return {"result": _Commit(world, action, lookup).rows(records, matches)}


def _matches(world: World, records: Sequence[Any], lookup: str) -> list[_Match]:
    """Look all records up; the key is None where a record has none."""
    index = _index(world, lookup)
    found: list[_Match] = []
    for record in records:
        key = _lookup_key(record.get(lookup)) if isinstance(record, dict) else None
        found.append((key, () if key is None else tuple(index(key))))
    return found


def _index(world: World, name: str) -> Callable[[Any], Sequence[int]]:
    """Return what gives the ids of the leads with a key."""
    if name == "email":
        return lambda key: world.by_email.get(key, ())
    if name == "id":
        return lambda key: (key,) if key in world.leads else ()
    # Built for the one call, as calls that look up by another field are rare.
    index: dict[Any, list[int]] = {}
    for lead_id, lead in world.leads.items():
        index.setdefault(_lookup_key(lead.get(name)), []).append(lead_id)
    return lambda key: index.get(key, ())


def _lookup_key(value: Any) -> Any:
    if isinstance(value, str):
        return email_key(value) or None
    return value if isinstance(value, int) else None


def _in_known_case(world: World, records: Sequence[Any]) -> list[Any]:
    known = {name.lower(): name for name in world.fields}
    return [
        {known.get(name.lower(), name): value for name, value in record.items()} if isinstance(record, dict) else record
        for record in records
    ]


class _Commit:
    """Writes the records of one call in their order; the caller holds the lock."""

    def __init__(self, world: World, action: str, lookup: str) -> None:
        self._world = world
        self._action = action
        self._lookup = lookup
        self._checks = _usable_checks(world)
        self._unknown = str(world.switches["unknown_field"])
        self._blocked = frozenset(world.switches["field_blocked_sources"])
        self._company = frozenset() if world.switches["company_fields"] == "allow" else COMPANY_FIELDS
        self._dedupe = str(world.switches["custom_dedupe"]).removeprefix("email+") if lookup == "email" else "off"
        self._fresh: dict[Any, int] = {}

    def rows(self, records: Sequence[Any], matches: Sequence[_Match]) -> list[Row]:
        if self._unknown == "response":
            self._refuse_unknown(records)
        return [self._row(record, *match) for record, match in zip(records, matches, strict=True)]

    def _row(self, record: Any, key: Any, ids: tuple[int, ...]) -> Row:
        if not isinstance(record, dict):
            return skipped("1003", "Invalid value for input")
        if key is None and self._action != "createDuplicate":
            return skipped("1003", f"Value for lookup field '{self._lookup}' is missing")
        values: Row = {}
        problem = self._read(record, values)
        if problem is not None:
            return problem
        if self._dedupe != "off":
            second = values.get(self._dedupe)
            ids = tuple(lead_id for lead_id in ids if self._world.leads.get(lead_id, {}).get(self._dedupe) == second)
            key = (key, second)
        if not ids and key in self._fresh:
            ids = (self._fresh[key],)
        return self._write(record, values, key, ids)

    def _read(self, record: Row, values: Row) -> Row | None:
        """Check the record's values into `values`; returns the row of a record that is not written at all."""
        checks = self._checks
        for name, value in record.items():
            check = checks.get(name)
            if check is None:
                problem = self._not_writable(name)
                if problem is not None:
                    return problem
                continue
            try:
                values[name] = check(value)
            except ValueError:
                return _invalid(name, value)
        if self._company and (named := next((name for name in record if name in self._company), None)):
            return skipped("1021", f"Company update not allowed: '{named}'")
        for name in self._blocked:
            values.pop(name, None)
        return None

    def _not_writable(self, name: str) -> Row | None:
        if name == "id":
            # It only names the lead to update; a lead cannot be created with an id of one's choice.
            return skipped("1003", "Id is not allowed with createOnly") if self._action == "createOnly" else None
        if name in self._world.fields:
            return skipped("1003", f"Field '{name}' is read only")
        return None if self._unknown == "ignore" else skipped("1006", f"Field '{name}' not found")

    def _refuse_unknown(self, records: Sequence[Any]) -> None:
        for record in records:
            for name in record if isinstance(record, dict) else ():
                if name not in self._world.fields:
                    raise ApiError("1006", f"Field '{name}' not found")

    def _write(self, record: Row, values: Row, key: Any, ids: tuple[int, ...]) -> Row:
        action, world = self._action, self._world
        if action == "createDuplicate":
            return {"id": world.insert(values), "status": "created"}
        if action == "createOnly" and ids:
            return skipped("1005", "Lead already exists")
        if len(ids) > 1:
            return skipped("1007", "Multiple lead match lookup criteria")
        if ids:
            if ids[0] not in world.leads:
                return skipped("1004", "Lead not found")
            world.update(ids[0], values)
            return {"id": ids[0], "status": "updated"}
        if action == "updateOnly" or self._lookup == "id":
            return skipped("1004", "Lead not found")
        lead_id = self._fresh[key] = world.insert(values)
        return {"id": lead_id, "status": "created"}


def _usable_checks(world: World) -> dict[str, Check]:
    """The checks by name, without `id`: it is described as writable and yet cannot be written."""
    return {name: check for name, check in world.checks.items() if name != "id"}


def _invalid(name: str, value: Any) -> Row:
    return skipped("1003", f"Invalid value for field '{name}' and value '{value}'")


def _require_lookup_field(world: World, name: Any) -> None:
    field = world.fields.get(name) if isinstance(name, str) else None
    custom = field is not None and field.custom and field.data_type in _LOOKUP_TYPES
    if not custom and name not in SEARCHABLE:
        raise ApiError("1011", f"Field '{name}' is not supported as a lookup field")


# Reading ------------------------------------------------------------------------------------------------------------


def read_by_filter(world: World, call: Call) -> Row:
    """The leads with one of the values, by id, in pages of at most 300 and 1,000 in all."""
    params = call.params
    name, values = params.get("filterType", ""), [value for value in params.get("filterValues", "").split(",") if value]
    if not values:
        raise ApiError("1003", "filterValues not specified")
    if len(values) > _PAGE:
        raise ApiError("1003", f"Too many filter values: at most {_PAGE} are allowed")
    _require_lookup_field(world, name)
    names = _projection(world, params.get("fields"))
    with world.lock:
        ids = sorted(lead_id for lead_id in _filtered(world, name, values) if _visible(world, lead_id))
        if len(ids) > _MOST_MATCHES:
            raise ApiError("1003", "Too many results match the filter")
        start, size = _offset(params.get("nextPageToken")), _page_size(params.get("batchSize"))
        page = ids[start : start + size]
        answer: Row = {"result": [_projected(world, world.leads[lead_id], names) for lead_id in page]}
    if start + size < len(ids):
        answer["nextPageToken"] = base64.b32encode(f"leads:{start + size}".encode()).decode()
    return answer


def read_one(world: World, call: Call) -> Row:
    names = _projection(world, call.params.get("fields"))
    with world.lock:
        lead = world.leads.get(int(call.parts["id"]))
        if lead is None:
            raise ApiError("1004", f"Lead '{call.parts['id']}' not found")
        return {"result": [_projected(world, lead, names)]}


def delete(world: World, call: Call) -> Row:
    _, records = call.records()
    with world.lock:
        return {"result": [_deleted(world, record) for record in records]}


def _deleted(world: World, record: Any) -> Row:
    lead_id = record.get("id") if isinstance(record, dict) else None
    if not isinstance(lead_id, int) or not world.delete(lead_id):
        return skipped("1004", "Lead not found")
    return {"id": lead_id, "status": "deleted"}


def _filtered(world: World, name: str, values: Sequence[str]) -> set[int]:
    if name == "email":
        return {lead_id for value in values for lead_id in world.by_email.get(email_key(value), ())}
    if name == "id":
        return {int(value) for value in values if value.isdigit() and int(value) in world.leads}
    wanted = {email_key(value) for value in values}
    return {lead_id for lead_id, lead in world.leads.items() if email_key(str(lead.get(name, ""))) in wanted}


def _visible(world: World, lead_id: int) -> bool:
    return world.hidden_until.get(lead_id, 0.0) <= world.now()


def _projection(world: World, given: str | None) -> Sequence[str]:
    names = [name.strip() for name in (given or "").split(",") if name.strip()]
    for name in names:
        if name not in world.fields:
            raise ApiError("1006", f"Field '{name}' not found")
    return ("id", *(name for name in names if name != "id")) if names else DEFAULT_PROJECTION


def _projected(world: World, lead: Row, names: Sequence[str]) -> Row:
    row = {name: world.value(lead, name) for name in names}
    if world.switches["null_projection"] == "omit":
        return {name: value for name, value in row.items() if value is not None}
    return row


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b32decode(token).decode().removeprefix("leads:"))
    except (binascii.Error, ValueError):
        raise ApiError("1003", "Invalid nextPageToken") from None


def _page_size(given: str | None) -> int:
    return min(int(given), _PAGE) if given and given.isdigit() and int(given) else _PAGE


# Describing ---------------------------------------------------------------------------------------------------------


def describe(world: World, call: Call) -> Row:
    rows = []
    for field in world.fields.values():
        row: Row = {"id": field.id, "displayName": field.label, "dataType": field.data_type}
        if field.length is not None:
            row["length"] = field.length
        row["rest"] = {"name": field.name, "readOnly": field.read_only}
        row["soap"] = {"name": field.name[0].upper() + field.name[1:], "readOnly": field.read_only}
        rows.append(row)
    return {"result": rows}


def describe2(world: World, call: Call) -> Row:
    custom = [name for name, field in world.fields.items() if field.custom and field.data_type in _LOOKUP_TYPES]
    fields = [
        {
            "name": field.name,
            "displayName": field.label,
            "dataType": field.data_type,
            **({"length": field.length} if field.length is not None else {}),
            "updateable": not field.read_only,
            "crmManaged": False,
        }
        for field in world.fields.values()
    ]
    searchable = [[name] for name in (*SEARCHABLE, *custom)]
    return {"result": [{"name": "API Lead", "searchableFields": searchable, "fields": fields}]}
