"""What a vendor was last seen to have, in a file beside the spec: to check and test a spec without asking the vendor.

The file is JSON, made by `engine fields --save`, and holds no secret and no person. Entries are sorted and what is
usual is left out, so that a change at the vendor is a small difference in a review.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

from engine.errors import SpecError
from engine.mapping import Remote
from engine.records import Field, Program
from engine.specs import MappingSpec

VERSION = 1
_MAX_BYTES = 32 * 2**20
_AGAIN = "Save it again: `engine fields SPEC --save FILE`."


@dataclass(frozen=True)
class SavedCatalog:
    """The fields of a vendor, and of what a spec names the programs and lists; None for one that does not exist.

    account: whose they are. saved_at: ISO 8601. member_fields: None where they are not known.
    """

    vendor: str
    account: str
    saved_at: str
    fields: Sequence[Field]
    member_fields: Sequence[Field] | None = None
    programs: Mapping[str, Program | None] = field(default_factory=dict)
    lists: Mapping[str, str | None] = field(default_factory=dict)

    def unknown(self, spec: MappingSpec) -> list[str]:
        """What a mapping names and the catalog knows nothing of, as people read it."""
        programs = [f"program {row.program_id}" for row in spec.programs if row.program_id not in self.programs]
        lists = [f"list {row.list_id}" for row in spec.lists if row.list_id not in self.lists]
        return list(dict.fromkeys([*programs, *lists]))

    def remote(self, spec: MappingSpec) -> Remote:
        """What a mapping is compared with; programs or lists that are not all known are not compared."""
        programs = {row.program_id: self.programs.get(row.program_id) for row in spec.programs}
        lists = {row.list_id: self.lists.get(row.list_id) for row in spec.lists}
        return Remote(
            self.fields,
            self.member_fields or None,
            _there(programs) if programs.keys() <= self.programs.keys() and programs else None,
            _there(lists) if lists.keys() <= self.lists.keys() and lists else None,
        )


def load(path: Path) -> SavedCatalog:
    """Read a saved catalog. Raises SpecError where it cannot be read or is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(
            f"cannot read the catalog: {error.strerror}", where=str(path), fix=_AGAIN, code="unreadable-file"
        ) from error
    try:
        raw: dict[str, Any] = orjson.loads(content) if len(content) <= _MAX_BYTES else {}
        if raw["schema_version"] != VERSION:
            raise ValueError
        return SavedCatalog(
            raw["vendor"],
            raw["account"],
            raw["saved_at"],
            _fields(raw["fields"]),
            _fields(raw["member_fields"]) if raw.get("member_fields") is not None else None,
            {id: _program(id, row) if row else None for id, row in raw.get("programs", {}).items()},
            raw.get("lists", {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError("this is no saved catalog", where=str(path), fix=_AGAIN, code="wrong-kind") from error


def save(path: Path, catalog: SavedCatalog) -> None:
    """Write a catalog. Raises OSError."""
    raw: dict[str, Any] = {
        "schema_version": VERSION,
        "vendor": catalog.vendor,
        "account": catalog.account,
        "saved_at": catalog.saved_at,
        "fields": _plain(sorted(catalog.fields, key=lambda each: each.name.lower())),
    }
    if catalog.member_fields is not None:
        raw["member_fields"] = _plain(sorted(catalog.member_fields, key=lambda each: each.name.lower()))
    if catalog.programs:
        raw["programs"] = {id: _plain([row])[0] if row else None for id, row in sorted(catalog.programs.items())}
    if catalog.lists:
        raw["lists"] = dict(sorted(catalog.lists.items()))
    path.write_bytes(orjson.dumps(raw, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _there(found: Mapping[str, Any]) -> dict[str, Any]:
    return {id: row for id, row in found.items() if row is not None}


def _plain(rows: Iterable[Field | Program]) -> list[dict[str, Any]]:
    """Records without what is usual of them."""
    return [
        {each.name: value for each in fields(row) if (value := getattr(row, each.name)) != each.default} for row in rows
    ]


def _fields(rows: Iterable[Mapping[str, Any]]) -> list[Field]:
    return [Field(**{**row, "options": tuple(row.get("options", ()))}) for row in rows]


def _program(id: str, row: Mapping[str, Any]) -> Program:
    return Program(**{"id": id, **row, "statuses": tuple(row.get("statuses", ()))})
