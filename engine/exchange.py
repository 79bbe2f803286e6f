"""Failed leads as a table that people correct in a spreadsheet, and what they have corrected when it comes back.

A cell that a spreadsheet would take for a formula gets a ' in front, which is taken off again. `etag` stands for the
lead as it was written out, so that nothing is corrected that has changed since.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, TextIO

import orjson

from engine.adapters import Context
from engine.errors import SpecError
from engine.expressions import suggestion
from engine.filters import text
from engine.records import LEAD_FIELDS
from engine.sources import CsvSource
from engine.state.edits import Current

#: Columns that say which lead a row is, and why it failed.
META = ("lead", "etag", "key", "code", "message", "who")
#: What stands before the name of a qualifier, and before that of a field which is called like a column of META.
ANSWER = "answer: "
OWN = "lead."
#: The status and the code of leads that nothing is changed of, and why.
_LEFT = {"suppressed": "is suppressed: nothing is done with this person's data"}
_UNREADABLE = "has a row that cannot be read, so that nobody knows what else stands in it: correct it in the source"
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n]")


@dataclass(frozen=True, slots=True)
class Exported:
    """A failed lead for the table. `who` fixes it; fields and answers are text, by name."""

    lead: int
    etag: str
    key: str
    code: str
    message: str
    who: str
    fields: Mapping[str, str]
    answers: Mapping[str, str]


def exported(current: Current, code: str, message: str, who: str) -> Exported:
    data = current.data
    return Exported(current.id, etag_of(current), current.key, code, message, who, _texts(data["f"]),
                    _texts(data.get("q", {})))  # fmt: skip


def etag_of(current: Current) -> str:
    """What stands for a lead as it is; begins with a letter, so that no spreadsheet takes it for a number."""
    data = current.data
    whole = orjson.dumps([current.status, data["f"], data.get("q", {})], option=orjson.OPT_SORT_KEYS)
    return f"v{blake2b(whole, digest_size=8).hexdigest()}"


def write_csv(file: TextIO, leads: Sequence[Exported], wanted: Collection[str] = ()) -> None:
    """Write leads as CSV. `wanted`: fields that get a column although no lead has them. `file` ends no lines itself."""
    names = list(_in_order({*wanted, *(name for lead in leads for name in lead.fields)}))
    answers = list(dict.fromkeys(name for lead in leads for name in lead.answers))
    rows = csv.writer(file)
    rows.writerow(guarded(name) for name in [*META, *map(_column, names), *(ANSWER + name for name in answers)])
    for lead in leads:
        cells = [*(str(getattr(lead, name)) for name in META), *(lead.fields.get(name, "") for name in names),
                 *(lead.answers.get(name, "") for name in answers)]  # fmt: skip
        rows.writerow(map(guarded, cells))


def write_jsonl(file: TextIO, leads: Iterable[Exported]) -> None:
    for lead in leads:
        file.write(orjson.dumps(lead).decode() + "\n")


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """A cell as it was before `guarded`."""
    return cell[1:] if _GUARDED.match(cell) else cell


@dataclass(frozen=True, slots=True)
class Correction:
    """What was corrected in a lead: old and new value by field, the new one empty where it is to be cleared."""

    lead: int
    key: str
    changes: Mapping[str, tuple[str, str]]


@dataclass
class Corrections:
    """What a corrected table says. `left`: lines that are left alone, and why; `emptied`: cells that are."""

    leads: list[Correction] = field(default_factory=list)
    left: list[tuple[int, str]] = field(default_factory=list)
    unchanged: int = 0
    emptied: int = 0


def read_corrections(
    path: Path, current: Callable[[Sequence[int]], Mapping[int, Current]], known: Collection[str], *, clear: bool
) -> Corrections:
    """Read a corrected table and compare it with the leads as they are.

    current: gives leads by number. known: the fields that a lead may have. clear: an emptied cell clears the field.
    Raises SpecError where the file cannot be read or is no such table.
    """
    source = CsvSource({"path": str(path.resolve())}, Context())
    try:
        header = source.columns()
        for name in ("lead", "etag"):
            if name not in header:
                raise SpecError(f"the table has no column {name!r}", where=str(path),
                                why=f"its columns are: {', '.join(header) or 'none'}",
                                fix="Write it anew with `engine reconcile export`.")  # fmt: skip
        rows = [(raw.line, raw.problem, raw.values) for raw in source.rows()]
    finally:
        source.close()
    numbered = [(line, problem, values, _number(values.get("lead", ""))) for line, problem, values in rows]
    leads = current([number for *_, number in numbered if number])
    found = Corrections()
    own = {name for lead in leads.values() for name in lead.data["f"]}
    fields = _fields_of(header, {*known, *own}, found)
    seen: dict[int, int] = {}
    for line, problem, values, number in numbered:
        lead = leads.get(number)
        if why := problem or _refusal(values, number, lead, seen):
            found.left.append((line, why))
        elif lead is not None:
            seen[number] = line
            _compare(found, line, values, lead, fields, clear=clear)
    return found


def _compare(
    found: Corrections, line: int, values: Mapping[str, str], lead: Current, fields: Mapping[str, str], *, clear: bool
) -> None:
    """Add what differs in a row from the lead as it is."""
    before = _texts(lead.data["f"])
    changes: dict[str, tuple[str, str]] = {}
    for column, name in fields.items():
        old, new = before.get(name, ""), unguarded(values.get(column, ""))
        if _same(old, new):
            continue
        if not new.strip():
            found.emptied += 1
            if not clear:
                continue
        changes[name] = (old, new.strip())
    answers = _texts(lead.data.get("q", {}))
    for column, cell in values.items():
        if column.startswith(ANSWER) and not _same(answers.get(column.removeprefix(ANSWER), ""), unguarded(cell)):
            found.left.append((line, f"lead {lead.id}: answers are not corrected by hand ({column})"))
    if changes:
        found.leads.append(Correction(lead.id, lead.key, changes))
    else:
        found.unchanged += 1


def _refusal(values: Mapping[str, str], number: int, lead: Current | None, seen: Mapping[int, int]) -> str:
    """Why a row is left alone, or an empty text."""
    if lead is None:
        return f"there is no lead {values.get('lead', '').strip() or '(empty)'}"
    if number in seen:
        return f"lead {number} stands in line {seen[number]} already"
    if why := refused(lead):
        return f"lead {number} {why}"
    if values.get("etag", "").strip() != etag_of(lead):
        return f"lead {number} has changed since the export"
    return ""


def refused(lead: Current) -> str:
    """Why nothing of a lead may be changed by hand, or an empty text."""
    return _LEFT.get(lead.status) or (_UNREADABLE if lead.code == "UNREADABLE_ROW" else "")


def _fields_of(header: Sequence[str], known: Collection[str], found: Corrections) -> dict[str, str]:
    """The lead field by column; other columns are told, and left alone."""
    fields: dict[str, str] = {}
    for column in header:
        plain = unguarded(column)
        if plain in META or plain.startswith(ANSWER):
            continue
        name = plain.removeprefix(OWN)
        if name in known:
            fields[column] = name
        else:
            hint = suggestion(name, known)
            found.left.append((1, f"there is no lead field {plain!r}" + (f". {hint}" if hint else "")))
    return fields


def _number(cell: str) -> int:
    """The number of a lead; 0 where the cell has none."""
    plain = cell.strip()
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 19 else 0


def _same(one: str, other: str) -> bool:
    """Whether two cells say the same: spreadsheets end lines in their own way, and spaces at the ends mean nothing."""
    return _bare(one) == _bare(other)


def _bare(cell: str) -> str:
    return cell.replace("\r\n", "\n").replace("\r", "\n").strip()


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: text(value) for name, value in values.items()}


def _column(name: str) -> str:
    return OWN + name if name in META or name.startswith((OWN, ANSWER)) else name


def _in_order(names: Collection[str]) -> Iterator[str]:
    """The usual lead fields in their order, then the others."""
    yield from (name for name in LEAD_FIELDS if name in names)
    yield from sorted(name for name in names if name not in LEAD_FIELDS)
