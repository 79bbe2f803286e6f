"""What is wrong with an integration that only the vendor knows: fields, matching rules, programs, lists. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from engine import check as checking
from engine.adapters import Vendor
from engine.errors import AbortRun, CredentialsError, SpecError
from engine.expressions import ExpressionError, Names, parse, suggestion
from engine.field_rows import Problems, compile_rows, fitter, shown
from engine.plugins import Plugins
from engine.records import Field
from engine.specs import FieldRow, Integration

T = TypeVar("T")


@dataclass
class _Finder:
    integration: Integration
    vendor: Vendor
    names: Names
    problems: list[AbortRun] = field(default_factory=list)

    def problem(self, what: str, at: str, fix: str = "", why: str = "") -> None:
        self.problems.append(SpecError(what, where=self.integration.place(at), fix=fix, why=why))

    def read(self, question: Callable[[], T]) -> T | None:
        """An answer, or None where the vendor refuses it: one missing permission does not hide the other problems."""
        try:
            return question()
        except (CredentialsError, SpecError) as error:
            self.problems.append(error)
            return None


def check(integration: Integration, plugins: Plugins, vendor: Vendor) -> list[AbortRun]:
    """Sign in and compare an integration with what the vendor has now; returns all problems.

    Raises CredentialsError where signing in fails, and what the vendor raises where it cannot be reached.
    """
    vendor.connect()
    finder = _Finder(integration, vendor, checking.names_of(integration, plugins))
    found = finder.read(vendor.fields)
    if found is not None:
        fields = {field.name: field for field in found}
        _check_matching(finder, fields)
        _check_rows(finder, integration.mapping.fields, fields, "mapping.fields", f"{vendor.name} has no field")
        _check_qualifiers(finder, fields)
    if vendor.has_programs:
        _check_programs(finder)
    if vendor.has_lists:
        _check_lists(finder)
    return finder.problems


def _check_matching(finder: _Finder, fields: Mapping[str, Field]) -> None:
    vendor = finder.vendor
    searchable = [name for name, field in fields.items() if field.searchable]
    for index, rule in enumerate(finder.integration.matching):
        if rule.by in vendor.keys or not vendor.field_keys or rule.by in searchable:
            continue
        known = fields.get(rule.by)
        what = f"no lead can be found by {rule.by!r}" if known else f"{vendor.name} has no field {rule.by!r}"
        hint = suggestion(rule.by, [*vendor.keys, *searchable])
        finder.problem(what, f"matching.{index}.by", hint or f"It matches by {', '.join(vendor.keys)}, or by a field "
                       "that `engine fields` shows as searchable.", known.note if known else "")  # fmt: skip


def _check_target(finder: _Finder, target: str, fields: Mapping[str, Field], at: str, missing: str) -> Field | None:
    """The field that is written to, or None with a problem where it cannot be."""
    known = fields.get(target)
    if known is None:
        writable = [name for name, field in fields.items() if field.writable]
        finder.problem(f"{missing} {target!r}", at, suggestion(target, writable) or "See `engine fields --writable`.")
    elif not known.writable:
        finder.problem(f"{target!r} cannot be written", at, "Remove the row.", known.note)
    else:
        return known
    return None


def _check_rows(finder: _Finder, rows: Sequence[FieldRow], fields: Mapping[str, Field], at: str, missing: str) -> None:
    for row in rows:
        place = f"{at}.{row.target}"
        if _check_target(finder, row.target, fields, place, missing) is None:
            continue
        literal = _literal(row, finder.names)
        bad: Problems = []
        if literal is not None:
            out: dict[str, Any] = {}
            compile_rows([literal], finder.names, fields).fill({}, {}, out, out, out, bad, [])
        for name, value, why in bad:
            finder.problem(f"{name}: {shown(value)} {why}", place)


def _literal(row: FieldRow, names: Names) -> FieldRow | None:
    """The row as one whose value is the same for every lead: that of its expression, or else of its default."""
    try:
        expression = parse(row.value, names)
    except ExpressionError:
        return None  # the check of the spec alone has said so
    if not expression.lead_fields and not expression.qualifiers:
        return replace(row, when="")
    return replace(row, value="''", when="") if row.default is not None else None


def _check_qualifiers(finder: _Finder, fields: Mapping[str, Field]) -> None:
    for row in finder.integration.mapping.qualifiers:
        at = f"mapping.qualifiers.{row.qualifier}"
        known = _check_target(finder, row.field, fields, f"{at}.field", f"{finder.vendor.name} has no field")
        fit = fitter(known)
        for answer, option in (row.options or {}).items() if known else ():
            try:
                fit(option)
            except ValueError as error:
                hint = suggestion(option, known.options) if known else ""
                finder.problem(f"{row.field}: {shown(option)} {error}", f"{at}.options.{answer}", hint)


def _check_programs(finder: _Finder) -> None:
    rows = finder.integration.mapping.programs
    vendor = finder.vendor
    ids = list(dict.fromkeys(row.program_id for row in rows))
    programs = finder.read(lambda: vendor.programs(ids)) if ids else None
    members = finder.read(vendor.member_fields) if any(row.fields for row in rows) else None
    for index, row in enumerate(rows):
        at = f"mapping.programs.{index}"
        known = {field.name: field for field in members or ()}
        if row.fields and members is not None and not known:
            finder.problem(f"{vendor.name} shows no fields of a program's members", f"{at}.fields",
                           "Let the API user read them; `engine doctor` shows what its role lacks.")  # fmt: skip
        elif members is not None:
            _check_rows(finder, row.fields, known, f"{at}.fields", "a member of a program has no field")
        if programs is None:
            continue
        program = programs.get(row.program_id)
        if program is None:
            finder.problem(f"there is no program {row.program_id}", f"{at}.program_id",
                           "Correct the id, or let the API user see the program.")  # fmt: skip
            continue
        if program.refusal:
            finder.problem(f"program {row.program_id} ({program.name}) takes no members", f"{at}.program_id",
                           why=program.refusal)  # fmt: skip
        options = {f"{at}.status_from.options.{answer}": status for answer, status in row.options.items()}
        for place, status in {f"{at}.status": row.status, **options}.items():
            if status and status not in program.statuses and not program.refusal:
                hint = suggestion(status, program.statuses) or f"It has: {', '.join(program.statuses) or 'none'}."
                finder.problem(f"program {row.program_id} ({program.name}) has no status {status!r}", place, hint)


def _check_lists(finder: _Finder) -> None:
    rows = finder.integration.mapping.lists
    ids = list(dict.fromkeys(row.list_id for row in rows))
    lists = finder.read(lambda: finder.vendor.lists(ids)) if ids else None
    for index, row in enumerate(rows):
        if lists is not None and row.list_id not in lists:
            finder.problem(f"there is no list {row.list_id}", f"mapping.lists.{index}.list_id",
                           "Correct the id, or let the API user see the list.")  # fmt: skip
