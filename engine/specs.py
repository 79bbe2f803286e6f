"""Read specs: YAML with places, validated against the JSON Schema, as frozen dataclasses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import enrichment, notify_rules, samples
from engine.backoff import RetryPolicy
from engine.enrichment import Enrichment
from engine.errors import Place
from engine.notify_rules import NotifyRule
from engine.records import Action, Duplicates
from engine.samples import Sample
from engine.spec_files import KINDS, Reader, SpecErrors, schema

__all__ = ["KINDS", "Integration", "SpecErrors", "load", "schema"]

#: Parts of an integration that change nothing of what a run does.
_ASIDE = ("$schema", "tests", "notify")


@dataclass(frozen=True, slots=True)
class QualifierColumn:
    column: str
    separator: str = ""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    use: str
    path: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    qualifiers: Mapping[str, QualifierColumn] = field(default_factory=dict)
    event: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    use: str
    config: Mapping[str, Any] = field(default_factory=dict)
    sync_mode: str = "automatic"
    bulk_from: int | None = None
    refresh_after: float = 86_400.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    catalog: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    by: str
    value: str
    action: Action = "upsert"
    duplicates: Duplicates = "fail"
    update_email: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What differs from a plain upsert, for a decision."""
        plain = Rule(self.by, self.value)
        names = ("action", "duplicates", "update_email")
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(plain, name)}


@dataclass(frozen=True, slots=True)
class FieldRow:
    target: str
    value: str
    type: str = ""
    write: str = "overwrite"
    default: Any = None
    when: str = ""
    too_long: str = "fail"
    empty: str = "keep"
    options: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QualifierRow:
    qualifier: str
    field: str
    options: Mapping[str, str] | None = None
    multiple: bool = False
    separator: str = ";"
    write: str = "overwrite"


@dataclass(frozen=True, slots=True)
class ProgramRow:
    program_id: str
    event: str = ""
    status: str = ""
    qualifier: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    min_scans: int = 0
    fields: tuple[FieldRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ListRow:
    list_id: str
    event: str = ""
    min_scans: int = 0


@dataclass(frozen=True, slots=True)
class TableRow:
    """A lookup table in a CSV file. Without `key` and `value`, its first two columns are meant."""

    file: str
    key: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class MappingSpec:
    fields: tuple[FieldRow, ...]
    qualifiers: tuple[QualifierRow, ...] = ()
    programs: tuple[ProgramRow, ...] = ()
    lists: tuple[ListRow, ...] = ()
    tables: Mapping[str, TableRow] = field(default_factory=dict)


@dataclass(frozen=True)
class Integration:
    """A whole spec. `places` gives the place of each part, by dotted path (`mapping.fields.firstName`).

    `digest` stands for all that a run depends on, the content of its lookup tables included; `tests` and `notify` are
    no part of it.
    """

    name: str
    path: Path
    source: SourceSpec
    destination: Destination
    mapping: MappingSpec
    matching: tuple[Rule, ...] = ()
    enrichment: Enrichment = field(default_factory=Enrichment)
    identity: tuple[str, ...] = ("remote_id", "email", "badge", "name")
    required: tuple[str, ...] = ("first_name", "last_name", "company")
    notify: tuple[NotifyRule, ...] = ()
    tests: tuple[Sample, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    digest: str = ""

    @property
    def folder(self) -> Path:
        return self.path.parent

    def place(self, path: str) -> Place:
        """The place of a part, or of the nearest part around it that is known."""
        while path and path not in self.places:
            path = path.rpartition(".")[0]
        return self.places.get(path, Place(str(self.path)))


def load(path: Path | str, texts: Mapping[Path, str] | None = None) -> Integration:
    """Read an integration and the specs it refers to. Raises SpecErrors with everything that the schema refuses.

    texts: by resolved path, what is read instead of what a file holds, so that a change can be tried unwritten.
    """
    path = Path(path)
    reader = Reader(texts)
    raw = reader.read(path, "integration")
    parts = {
        "source": reader.part(raw, "source", path, "source"),
        "mapping": reader.part(raw, "mapping", path, "mapping"),
        "enrichment": reader.part(raw, "enrichment", path, "enrichment"),
        "matching": reader.part(raw, "matching", path, "matching", "rules"),
    }
    reader.finish()
    mapping = _mapping(parts["mapping"])
    tests = {"tests": raw.get("tests", ()), "mapping.tests": parts["mapping"].get("tests", ())}
    return Integration(
        name=raw["name"],
        path=path,
        source=_source(parts["source"]),
        destination=_destination(raw["destination"]),
        mapping=mapping,
        matching=tuple(Rule(**rule) for rule in parts["matching"] or ()),
        enrichment=enrichment.read(parts["enrichment"]),
        identity=tuple(raw.get("identity", Integration.identity)),
        required=tuple(raw.get("required", Integration.required)),
        notify=notify_rules.read(raw.get("notify", ())),
        tests=tuple(samples.read(test["name"], test, at=f"{at}.{index}")
                    for at, given in tests.items() for index, test in enumerate(given)),
        places=reader.places,
        digest=_digest({**raw, **parts}, path.parent, mapping),
    )  # fmt: skip


def load_part(path: Path, kind: str) -> Integration:
    """Read a part of an integration alone, as an integration that says nothing else. Raises SpecErrors, SpecError."""
    reader = Reader()
    prefix = {"source": "source", "enrichment": "enrichment", "mapping": "mapping"}.get(kind, "")
    raw = reader.read(path, kind, prefix)
    reader.finish()
    return Integration(
        name=path.stem,
        path=path,
        source=_source(raw) if kind == "source" else SourceSpec("csv"),
        destination=Destination(""),
        mapping=_mapping(raw) if kind == "mapping" else MappingSpec(()),
        places=reader.places,
    )


def _digest(raw: Mapping[str, Any], folder: Path, mapping: MappingSpec) -> str:
    """What stands for all that a run depends on. A table that cannot be read is another matter than an empty one."""
    kept = {key: value for key, value in raw.items() if key not in _ASIDE}
    kept["mapping"] = {key: value for key, value in raw["mapping"].items() if key not in _ASIDE}
    kept["destination"] = {key: value for key, value in raw["destination"].items() if key != "catalog"}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode())
    for name, table in sorted(mapping.tables.items()):
        path = folder / table.file
        digest.update(f"{name}:".encode() + (path.read_bytes() if path.is_file() else b"absent"))
    return digest.hexdigest()[:16]


def _source(raw: Mapping[str, Any]) -> SourceSpec:
    columns = {
        name: QualifierColumn(value) if isinstance(value, str) else QualifierColumn(**value)
        for name, value in raw.get("qualifiers", {}).items()
    }
    kept = {key: raw[key] for key in ("use", "path", "config", "columns", "event") if key in raw}
    return SourceSpec(**kept, qualifiers=columns)


def _destination(raw: Mapping[str, Any]) -> Destination:
    kept = {key: raw[key] for key in ("use", "config", "sync_mode", "refresh_after", "catalog") if key in raw}
    return Destination(**kept, bulk_from=raw.get("bulk", {}).get("from"), retry=RetryPolicy(**raw.get("retry", {})))


def _fields(raw: Mapping[str, Any]) -> tuple[FieldRow, ...]:
    return tuple(
        FieldRow(target, row) if isinstance(row, str) else FieldRow(target, **row) for target, row in raw.items()
    )


def _mapping(raw: Mapping[str, Any]) -> MappingSpec:
    qualifiers = tuple(QualifierRow(name, **row) for name, row in raw.get("qualifiers", {}).items())
    programs = tuple(
        ProgramRow(
            program_id=str(row["program_id"]),
            event=row.get("event", ""),
            status=row.get("status", ""),
            qualifier=row.get("status_from", {}).get("qualifier", ""),
            options=row.get("status_from", {}).get("options", {}),
            min_scans=row.get("min_scans", 0),
            fields=_fields(row.get("fields", {})),
        )
        for row in raw.get("programs", ())
    )
    lists = tuple(
        ListRow(str(row["list_id"]), row.get("event", ""), row.get("min_scans", 0)) for row in raw.get("lists", ())
    )
    tables = {
        name: TableRow(row) if isinstance(row, str) else TableRow(**row) for name, row in raw.get("tables", {}).items()
    }
    return MappingSpec(_fields(raw["fields"]), qualifiers, programs, lists, tables)
