"""How the sandbox imports a row: whom it is for, what is written, and the lists that it changes.

Source: developer.salesforce.com/docs/marketing/pardot/guide/import-v5
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine_pardot.sandbox_calls import World, number
from engine_pardot.sandbox_errors import ApiError, text_of
from engine_pardot.sandbox_history import Record
from engine_pardot.sandbox_keys import email_key, id_key
from engine_pardot.sandbox_lists import Lists
from engine_pardot.sandbox_rules import Rules
from engine_pardot.sandbox_seed import User

MATCH_COLUMNS = ("matchId", "matchSalesforceId", "matchEmail")
LIST_COLUMNS = ("addToList", "removeFromList")
_SALESFORCE_IDS = ("salesforceId", "salesforceLeadId", "salesforceContactId")
#: An import cannot take an assignment away.
_NEVER_EMPTIED = frozenset({"userId", "salesforceOwnerId"})
#: The most lists that one row may name.
_MOST_LISTS = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What an import was told; `keep`: columns that are not to overwrite; `keep_where_empty`: not with nothing."""

    restore_deleted: bool = False
    create_on_no_match: bool = True
    keep: frozenset[str] = frozenset()
    keep_where_empty: frozenset[str] = frozenset()


@dataclass(slots=True)
class Line:
    """A row of a file: its cells, whom it was matched with when processing began, and why it failed."""

    header: Sequence[str]
    number: int
    cells: Sequence[str]
    match: tuple[str, str] | None = None
    target: int | None = None
    lists: list[tuple[str, int]] = field(default_factory=list)
    failure: str = ""


class Rows:
    """Imports the rows of one import: `begin` looks everybody up, `write` writes a row. The caller holds the lock."""

    def __init__(self, world: World, lists: Lists, options: Options, user: User) -> None:
        self._world = world
        self._store = world.store
        self._lists = lists
        self._options = options
        self._user = user
        self._rules = Rules(world.unit, world.switches, cells=True)
        self._made: dict[str, int] = {}
        self._by_salesforce_id: dict[str, Record] = {}
        self.created, self.updated = 0, 0

    def begin(self, lines: Iterable[Line]) -> list[str]:
        """Look up whom the rows are for, and return the keys that they write."""
        for record in self._store.records.values():
            self._by_salesforce_id.update({record[each]: record for each in _SALESFORCE_IDS if record.get(each)})
        keys: list[str] = []
        for line in lines:
            if line.failure:
                continue
            try:
                keys += self._looked_up(line)
            except ApiError as error:
                line.failure = text_of(error)
        return keys

    def write(self, line: Line) -> None:
        """Write a row, or note why it fails."""
        if line.failure:
            return
        try:
            self._write(line)
        except ApiError as error:
            line.failure = text_of(error)

    def _looked_up(self, line: Line) -> list[str]:
        if len(line.cells) != len(line.header):
            raise ApiError("154", f"the row has {len(line.cells)} cells, the header {len(line.header)}")
        given = dict(zip(line.header, line.cells, strict=True))
        matches = [(name, given[name].strip()) for name in MATCH_COLUMNS if given.get(name, "").strip()]
        if len(matches) > 1:
            raise ApiError("154", "a row matches by one column only")
        line.match = matches[0] if matches else None
        line.lists = self._named_lists(line)
        found = None if line.match is None else self._matched(*line.match)
        keys = [email_key(each) for each in {given.get("matchEmail"), given.get("email")} if each]
        if found is None:
            return keys
        line.target = found["id"]
        return [*keys, id_key(line.target)]

    def _named_lists(self, line: Line) -> list[tuple[str, int]]:
        """The lists of a row, each with its column; a column may stand several times or hold several ids."""
        named = [
            (column, number(text, "55"))
            for column, cell in zip(line.header, line.cells, strict=True)
            if column in LIST_COLUMNS
            for text in cell.replace(";", " ").split()
        ]
        if len(named) > _MOST_LISTS:
            raise ApiError("154", f"at most {_MOST_LISTS} lists")
        for _, list_id in named:
            self._lists.check_list(list_id)
        return named

    def _matched(self, column: str, value: str) -> Record | None:
        """Whom a row is for; several people of one address: the one who is active, with the latest activity."""
        if column == "matchId":
            return self._store.records.get(number(value, "3"))
        if column == "matchSalesforceId":
            return self._by_salesforce_id.get(value)
        email = self._rules.email(value)
        active = self._store.latest(self._store.sharers(email))
        return active or self._store.latest(self._store.sharers(email, deleted=True))

    def _write(self, line: Line) -> None:
        target = line.target
        if target is None and line.match is not None and self._world.switches["import_same_key"] == "sequential":
            target = self._made.get(line.match[1].lower())
        if target is None and line.match is not None and not self._options.create_on_no_match:
            if self._world.switches["import_no_match"] == "silent":
                return
            raise ApiError("109", "no prospect matches")
        record = self._created(line) if target is None else self._updated(line, self._store.records[target])
        for column, list_id in line.lists:
            if column == "addToList":
                self._lists.add(list_id, record["id"], self._user)
            else:
                self._lists.remove(list_id, record["id"])

    def _created(self, line: Line) -> Record:
        filled, _ = self._cells(line)
        values = self._rules.checked(filled, self._user)
        if not values.get("email"):
            raise ApiError("153", "email")
        record = self._store.create(values, self._user)
        if line.match is not None:
            self._made[line.match[1].lower()] = record["id"]
        self.created += 1
        return record

    def _updated(self, line: Line, record: Record) -> Record:
        if record["isDeleted"] and not self._options.restore_deleted:
            raise ApiError("219", "the prospect is in the recycle bin")
        filled, emptied = self._cells(line)
        keep = self._options.keep
        values = self._rules.checked({name: text for name, text in filled.items() if name not in keep}, self._user)
        for name in emptied - keep - self._options.keep_where_empty - _NEVER_EMPTIED:
            self._check_clearing(name)
            values[name] = None
        self._store.update(record, values, self._user, restore=record["isDeleted"])
        self.updated += 1
        return record

    def _check_clearing(self, name: str) -> None:
        """Raises ApiError for a field that cannot be empty."""
        if name == "email":
            raise ApiError("4")
        if self._world.unit.custom_fields.get(name, {}).get("isRequired"):
            raise ApiError("153", name)

    def _cells(self, line: Line) -> tuple[Mapping[str, Any], set[str]]:
        """The cells that hold something, and the columns whose cell clears its field."""
        given = {
            name: text
            for name, text in zip(line.header, line.cells, strict=True)
            if name not in MATCH_COLUMNS and name not in LIST_COLUMNS
        }
        filled = {name: text for name, text in given.items() if text.strip()}
        empty_clears = self._world.switches["import_blank"] == "clear"
        return filled, {name for name, text in given.items() if not text.strip() and (text or empty_clears)}
