"""How the sandbox creates and updates leads: what Sync Leads, Push Lead and the imports have in common.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine_marketo.sandbox_calls import ApiError, Call, Row, skipped
from engine_marketo.sandbox_fields import COMPANY_FIELDS, SEARCHABLE, Check
from engine_marketo.sandbox_world import PARTITION, World, email_key

LOOKUP_TYPES = frozenset({"string", "email", "integer"})
_CREATING = frozenset({"createOrUpdate", "createOnly"})
#: What live instances say, and what the table of errors says.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
_MULTIPLE = {"live": "Multiple lead match lookup criteria", "table": "Multiple leads match the lookup criteria"}


def require_lookup_field(world: World, name: Any) -> None:
    """Raise 1011 for a field that leads can be neither looked up nor filtered by."""
    field = world.fields.get(name) if isinstance(name, str) else None
    custom = field is not None and field.custom and field.data_type in LOOKUP_TYPES
    if not custom and name not in SEARCHABLE:
        raise ApiError("1011", f"Field '{name}' is not supported as a lookup field")


def partition_named(world: World, call: Call, name: Any, action: str) -> int | None:
    """The id of the partition that a call names, or None where it names none or its action takes none.

    Raises 1008 for one that the client may not see, 1009 where a name is required.
    """
    if action not in _CREATING:
        return None
    if not name:
        if world.switches["partition_required"] and len(world.partitions) > 1:
            raise ApiError("1009", "Partition name must be specified")
        return None
    found = world.partitions.get(str(name))
    if found is None or (call.sees is not None and found["id"] not in call.sees):
        raise ApiError("1008", "Partition access denied")
    return int(found["id"])


class Upsert:
    """One write of several records: looks them up at its start and writes them at its end, in their order.

    `sees`: the partitions that the client may see; `partition`: the one that leads must be in; `checks`: of values,
    by field name (those of the API where None).
    """

    def __init__(
        self,
        world: World,
        action: str,
        lookup: str,
        *,
        sees: frozenset[int] | None = None,
        partition: int | None = None,
        checks: Mapping[str, Check] | None = None,
    ) -> None:
        switches = world.switches
        self._world = world
        self._action = action
        self._lookup = lookup
        self._sees = sees
        self._partition = partition
        self._guarded = sees is not None or partition is not None
        self._home = partition or (min(sees) if sees and 1 not in sees else 1)
        given = world.checks if checks is None else checks
        # An id is described as writable and yet cannot be written.
        self._checks = {name: check for name, check in given.items() if name != "id"}
        self._unknown = str(switches["unknown_field"])
        self._blocked = frozenset(switches["field_blocked_sources"])
        self._company = frozenset() if switches["company_fields"] == "allow" else COMPANY_FIELDS
        self._dedupe = str(switches["custom_dedupe"]).removeprefix("email+") if lookup == "email" else "off"
        self._exact = switches["email_match"] == "exact"
        self._same_key = str(switches["same_key"])
        self._fresh: dict[Any, int] = {}
        self._written: set[Any] = set()

    def run(self, records: Sequence[Any], wait: Callable[[], None] | None) -> list[Row]:
        """Write the records of a call. `wait` takes the simulated time of the call; None is no time.

        There is no lock between looking up and writing where a call takes time: overlapping calls for a new key create
        two leads, as the vendor does.
        """
        world = self._world
        if world.switches["field_case"] == "insensitive":
            records = _in_known_case(world, records)
        keys = self.keys(records)
        with world.lock:
            held = world.keys.take(self._lookup, keys)
        try:
            if wait is None:
                with world.lock:
                    return self.rows(records, keys, self.matches(keys))
            with world.lock:
                matches = self.matches(keys)
            wait()
            with world.lock:
                return self.rows(records, keys, matches)
        finally:
            with world.lock:
                world.keys.release(held)

    def keys(self, records: Sequence[Any]) -> list[Any]:
        """What each record is looked up by; None where it has nothing."""
        lookup, key_of = self._lookup, _exact_key if self._exact else _lookup_key
        return [key_of(record.get(lookup)) if isinstance(record, dict) else None for record in records]

    def matches(self, keys: Sequence[Any]) -> list[Sequence[int]]:
        """The ids of the leads that have each key now. The caller holds the lock."""
        index = self._index()
        return [() if key is None else tuple(index(key)) for key in keys]

    def _index(self) -> Callable[[Any], Sequence[int]]:
        """Return what gives the ids of the leads with a key."""
        world, name = self._world, self._lookup
        if name == "email":
            return (lambda key: world.with_email(str(key))) if self._exact else lambda key: world.by_email.get(key, ())
        if name == "id":
            return lambda key: () if (found := world.find(key, self._sees)) is None else (found,)
        # Built for the one call, as calls that look up by another field are rare.
        index: dict[Any, list[int]] = {}
        for lead_id, lead in world.leads.items():
            index.setdefault(_lookup_key(lead.get(name)), []).append(lead_id)
        return lambda key: index.get(key, ())

    def rows(self, records: Sequence[Any], keys: Sequence[Any], matches: Sequence[Sequence[int]]) -> list[Row]:
        """Write all records; the caller holds the lock."""
        if self._unknown == "response":
            self._refuse_unknown(records)
        return [self._row(*each) for each in zip(records, keys, matches, strict=True)]

    def _row(self, record: Any, key: Any, ids: Sequence[int]) -> Row:
        if not isinstance(record, dict):
            return skipped("1003", "Invalid value for input")
        if key is None and self._action != "createDuplicate":
            code = str(self._world.switches["missing_lookup"])
            return skipped(code, f"Value for lookup field '{self._lookup}' is missing")
        values: Row = {}
        problem = self.read(record, values)
        return self.write(values, key, ids) if problem is None else problem

    def read(self, record: Row, values: Row) -> Row | None:
        """Check a record's values into `values`; returns the row of a record that is not written at all."""
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
                code = str(self._world.switches["type_error_code"])
                return skipped(code, f"Invalid value for field '{name}' and value '{value}'")
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
            ignored = self._world.switches["read_only_write"] == "ignore"
            return None if ignored else skipped("1003", f"Field '{name}' is read only")
        return None if self._unknown == "ignore" else skipped("1006", f"Field '{name}' not found")

    def _refuse_unknown(self, records: Sequence[Any]) -> None:
        for record in records:
            for name in record if isinstance(record, dict) else ():
                if name not in self._world.fields:
                    raise ApiError("1006", f"Field '{name}' not found")

    def write(self, values: Row, key: Any, ids: Sequence[int]) -> Row:
        """Write one record with values that were checked, for the leads that were found; the caller holds the lock."""
        action, world = self._action, self._world
        if self._dedupe != "off":
            key, ids = self._narrowed(values, key, ids)
        if self._same_key != "sequential":
            if key in self._written and self._same_key == "skip":
                return skipped("1036", "Duplicate object found in input")
            self._written.add(key)
        elif not ids and key in self._fresh:
            ids = (self._fresh[key],)
        if action == "createDuplicate":
            return {"id": self._insert(values), "status": "created"}
        if action == "createOnly" and ids:
            return skipped("1005", "Lead already exists")
        if len(ids) > 1:
            return skipped("1007", _MULTIPLE[world.switches["multiple_text"]])
        if ids:
            return self._update(ids[0], values)
        if action == "updateOnly" or self._lookup == "id":
            return skipped("1004", "Lead not found")
        lead_id = self._fresh[key] = self._insert(values)
        return {"id": lead_id, "status": "created"}

    def _narrowed(self, values: Row, key: Any, ids: Sequence[int]) -> tuple[Any, Sequence[int]]:
        """The key with the second field of the rule that finds duplicates, and the leads that match in both."""
        leads = self._world.leads
        if self._dedupe == "partition":
            second: Any = self._home
            same = [lead_id for lead_id in ids if self._world.partition_of(leads.get(lead_id, {})) == second]
        else:
            second = values.get(self._dedupe)
            same = [lead_id for lead_id in ids if leads.get(lead_id, {}).get(self._dedupe) == second]
        return (key, second), same

    def _insert(self, values: Row) -> int:
        return self._world.insert(values if self._home == 1 else {PARTITION: self._home, **values})

    def _update(self, lead_id: int, values: Row) -> Row:
        lead = self._world.leads.get(lead_id)
        if lead is None:
            return skipped("1004", "Lead not found")
        if self._guarded:
            partition = self._world.partition_of(lead)
            if self._sees is not None and partition not in self._sees:
                return skipped("1008", "Partition access denied")
            if self._partition is not None and partition != self._partition:
                return skipped("1010", "Partition update not allowed")
        self._world.update(lead_id, values)
        return {"id": lead_id, "status": "updated"}


def _lookup_key(value: Any) -> Any:
    if isinstance(value, str):
        return email_key(value) or None
    return value if isinstance(value, int) else None


def _exact_key(value: Any) -> Any:
    return value or None if isinstance(value, (str, int)) else None


def _in_known_case(world: World, records: Sequence[Any]) -> list[Any]:
    known = {name.lower(): name for name in world.fields}
    return [
        {known.get(name.lower(), name): value for name, value in record.items()} if isinstance(record, dict) else record
        for record in records
    ]
