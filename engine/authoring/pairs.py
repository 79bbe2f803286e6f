"""Reads field pairs as teams keep them in spreadsheets: our side, the vendor's side, and how the field is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rapidfuzz import fuzz, process

from engine.adapters import Context, Vendor
from engine.authoring.words import plain
from engine.errors import Place, SpecError
from engine.expressions import suggestion
from engine.filters import fold
from engine.findings import FINDINGS
from engine.records import Field
from engine.sources import CsvSource
from engine.spec_files import SpecErrors, schema

#: What the columns of such a table are called. Of several that fit, the first name in the list goes first.
_HEADINGS: Mapping[str, Sequence[str]] = {
    "to": ("api name", "rest api name", "marketo api name", "pardot api name", "target", "target field", "to",
           "to field", "marketo field", "pardot field", "prospect field", "vendor field", "destination",
           "destination field", "crm field", "remote field", "marketo", "pardot", "account engagement field",
           "field in marketo"),
    "from": ("column", "csv column", "source column", "export column", "source", "source field", "from", "from field",
             "our field", "badge field", "mobly field", "lead field", "event field", "scanner field", "form field",
             "capture field", "input"),
    "write": ("write", "write behavior", "write behaviour", "write mode", "update behavior", "update rule", "sync rule",
              "overwrite", "update", "overwrite rule"),
    "type": ("type", "data type", "field type"),
    "default": ("default", "default value", "fallback", "if empty use"),
    "fixed": ("fixed value", "fixed", "constant", "constant value", "static value", "hard coded value", "hardcoded"),
    "length": ("max length", "length", "maximum length", "truncate", "max chars", "character limit", "truncate to"),
    "required": ("required", "mandatory", "must have"),
    "notes": ("notes", "note", "comment", "comments", "remarks", "description"),
    "options": ("options", "values", "value mapping", "option mapping", "picklist values", "answers", "translation"),
}  # fmt: skip
_WRITES: Mapping[str, Sequence[str]] = {
    "overwrite": ("overwrite", "always", "always overwrite", "always write", "update", "replace", "yes"),
    "if_blank": ("if blank", "write if blank", "only if blank", "if empty", "only if empty", "write if empty",
                 "complete if missing", "fill if empty", "fill blanks", "do not overwrite", "dont overwrite",
                 "never overwrite", "no", "keep existing"),
    "on_create": ("on create", "on creation", "only on create", "create only", "on create only", "new records only",
                  "only for new", "on insert"),
}  # fmt: skip
_TYPES: Mapping[str, str] = {
    "number": "float", "decimal": "float", "int": "integer", "whole number": "integer", "bool": "boolean", "checkbox":
    "boolean", "yes no": "boolean", "date time": "datetime", "timestamp": "datetime", "picklist": "string", "dropdown":
    "string", "text area": "text", "textarea": "text", "long text": "text", "e mail": "email", "score": "integer",
}  # fmt: skip
_TRUE = frozenset({"yes", "y", "x", "true", "1", "required", "mandatory"})
_FALSE = frozenset({"", "no", "n", "false", "0", "optional"})
_NEAR = 88


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of the table: what is written, where it goes, and how. source: empty for a fixed value."""

    line: int
    source: str
    target: str
    write: str = "overwrite"
    type: str = ""
    default: str = ""
    fixed: str = ""
    length: int | None = None
    truncate: bool = False
    required: bool = False
    notes: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def read_pairs(
    path: Path, vendor: type[Vendor] | None, known: Sequence[Field] | None, *, ours: str = "", theirs: str = ""
) -> list[Pair]:
    """Read a table of pairs. `ours` and `theirs` name its two columns, where its header is not clear enough.

    known: the vendor's fields, by which labels become names. Raises SpecErrors with everything that is wrong.
    """
    source = CsvSource({"path": str(path.resolve())}, Context())
    try:
        header = list(source.columns())
        rows = list(source.rows())
    finally:
        source.close()
    columns = headings(header, path, ours, theirs)
    reader = _Reader(path, columns, vendor, known)
    pairs = []
    for row in rows:
        if row.problem:
            reader.problem(row.line, "unreadable-file", row.problem, "Correct the row.")
        elif (pair := reader.pair(row.line, row.values)) is not None:
            pairs.append(pair)
    reader.check_twice(pairs)
    if not pairs and not reader.problems:
        reader.problem(1, "missing-key", "the table has no pairs", "Write one pair a row.")
    if reader.problems:
        raise SpecErrors(reader.problems)
    return pairs


def headings(header: Sequence[str], path: Path, ours: str = "", theirs: str = "") -> dict[str, str]:
    """Which column of the table is what. Raises SpecError where our side or the vendor's is not found."""
    found: dict[str, str] = {}
    for what, given in (("from", ours), ("to", theirs)):
        if given and given not in header:
            fix = suggestion(given, header) or f"Its columns are: {', '.join(header)}."
            raise SpecError(f"--{what}: the table has no column {given!r}", where=str(path), fix=fix)
        if given:
            found[what] = given
    bare = {plain(name): name for name in reversed(header)}
    for sure in (100, _NEAR):
        for what, names in _HEADINGS.items():
            left = [name for name, column in bare.items() if column not in found.values()]
            hits = (process.extractOne(name, left, scorer=fuzz.token_sort_ratio, score_cutoff=sure) for name in names)
            hit = next((hit for hit in hits if hit is not None), None)
            if what not in found and hit is not None:
                found[what] = bare[hit[0]]
    if "to" not in found or ("from" not in found and "fixed" not in found):
        side, option = ("the vendor's field", "--to") if "to" not in found else ("our field", "--from")
        what, why = f"no column of the table seems to be {side}", f"its columns are: {', '.join(header)}"
        raise SpecError(what, where=f"{path}:1", why=why, fix=f"Name it: {option} COLUMN.")
    return found


class _Reader:
    """Reads rows into pairs, and collects what is wrong with them."""

    def __init__(
        self, path: Path, columns: Mapping[str, str], vendor: type[Vendor] | None, known: Sequence[Field] | None
    ) -> None:
        self._path = path
        self._columns = columns
        self._vendor = vendor
        self._known = known
        self.problems: list[SpecError] = []

    def problem(self, line: int, code: str, what: str, fix: str = "") -> None:
        where = Place(str(self._path), line)
        self.problems.append(SpecError(what, where=where, fix=fix or FINDINGS[code].fix, code=code))

    def pair(self, line: int, values: Mapping[str, str]) -> Pair | None:
        """The pair in a row; None where there is none, or where something is wrong with it."""
        cells = {what: (values.get(column) or "").strip() for what, column in self._columns.items()}
        ours, theirs, fixed = cells.get("from", ""), cells.get("to", ""), cells.get("fixed", "")
        if not ours and not theirs and not fixed:
            return None
        before = len(self.problems)
        if not theirs:
            self.problem(line, "no-target", f"{ours or fixed!r} goes to no field", "Name the vendor's field.")
        if not ours and not fixed:
            what = f"nothing is written to {theirs!r}"
            self.problem(line, "no-target", what, "Name our field or a fixed value, or remove the row.")
        if ours and fixed:
            what = f"{theirs or ours!r} has a field and a fixed value"
            self.problem(line, "contradiction", what, "Keep one; a value for empty cells is a default.")
        length, truncate = self._length(line, cells.get("length", ""))
        pair = Pair(
            line, ours, self._target(line, theirs) if theirs else "", self._write(line, cells.get("write", "")),
            self._type(line, cells.get("type", "")), cells.get("default", ""), fixed, length, truncate,
            self._flag(line, cells.get("required", "")), cells.get("notes", ""),
            self._options(line, cells.get("options", "")),
        )  # fmt: skip
        if pair.options and not ours:
            self.problem(line, "no-target", "options translate answers, and no column of ours has them", "Name it.")
        if pair.options and pair.write == "on_create":
            what = "answers with options cannot be written on creation only"
            self.problem(line, "adapter-cannot", what, "Use `if blank`.")
        return pair if len(self.problems) == before else None

    def check_twice(self, pairs: Sequence[Pair]) -> None:
        first: dict[str, int] = {}
        for pair in pairs:
            if pair.target in first:
                what = f"{pair.target!r} is written by two rows, here and in line {first[pair.target]}"
                self.problem(pair.line, "written-twice", what, "Remove one.")
            first.setdefault(pair.target, pair.line)

    def _target(self, line: int, name: str) -> str:
        """The API name of the vendor's field that is named, by its label where the fields are known."""
        if self._known is None or any(field.name == name for field in self._known):
            return name
        meant = [field.name for field in self._known if fold(name) == fold(field.label)]
        meant = meant or [field.name for field in self._known if fold(name) == fold(field.name)]
        if len(meant) == 1:
            return meant[0]
        if meant:
            self.problem(line, "unknown-vendor-field", f"several fields are called {name!r}: {', '.join(meant)}",
                         "Write the API name.")  # fmt: skip
            return name
        known = {label: field.name for field in self._known for label in (field.name, field.label) if label}
        near = process.extractOne(plain(name), {label: plain(label) for label in known}, scorer=fuzz.ratio,
                                  score_cutoff=70)  # fmt: skip
        hint = f"Did you mean {known[near[2]]!r}?" if near is not None else ""
        self.problem(line, "unknown-vendor-field", f"the vendor has no field {name!r}", hint)
        return name

    def _write(self, line: int, text: str) -> str:
        by_words = {words: write for write, names in _WRITES.items() for words in names}
        said = plain(text.replace("'", ""))
        write = by_words.get(said, "overwrite" if not said else "")
        if not write:
            near = suggestion(said, by_words)
            listed = "Write one of: overwrite, if blank, on create."
            self.problem(line, "wrong-value", f"unknown write behaviour {text!r}", near or listed)
        elif write == "on_create" and self._vendor is not None and not self._vendor.on_create:
            what = f"{self._vendor.name} cannot write on creation only"
            self.problem(line, "adapter-cannot", what, "Use `if blank`.")
        return write or "overwrite"

    def _type(self, line: int, text: str) -> str:
        types: Sequence[str] = schema("integration")["$defs"]["field"]["oneOf"][1]["properties"]["type"]["enum"]
        said = plain(text)
        found = _TYPES.get(said, said)
        if found and found not in types:
            fix = suggestion(found, [*types, *_TYPES]) or f"It is one of {', '.join(types)}."
            self.problem(line, "wrong-value", f"unknown type {text!r}", fix)
        return found if found in types else ""

    def _length(self, line: int, text: str) -> tuple[int | None, bool]:
        """The length that a text is cut at, and whether it is to be cut at that of the field."""
        said = plain(text)
        if number := re.fullmatch(r"(\d{1,6})( chars| characters)?", said):
            return int(number[1]) or None, False
        if said in _FALSE or said in _TRUE or said == "truncate":
            return None, said not in _FALSE
        self.problem(line, "wrong-value", f"{text!r} is no length", "Write a number of characters, or `truncate`.")
        return None, False

    def _flag(self, line: int, text: str) -> bool:
        said = plain(text)
        if said not in _TRUE | _FALSE:
            self.problem(line, "wrong-value", f"{text!r} is neither yes nor no", "Write yes or no.")
        return said in _TRUE

    def _options(self, line: int, text: str) -> dict[str, str]:
        """Answer to option, of `Hot=A; Warm=B`."""
        found: dict[str, str] = {}
        for part in filter(None, (each.strip() for each in re.split(r"[;\n]", text))):
            answer, option = (each.strip() for each in (*re.split(r"=>|->|→|=", part, maxsplit=1), "")[:2])
            if not (answer and option):
                self.problem(line, "no-target", f"{part!r} is no answer with its option", "Write `Hot=A; Warm=B`.")
            elif answer in found:
                self.problem(line, "stands-twice", f"the answer {answer!r} stands twice", "Remove one.")
            found[answer] = option
        return found
