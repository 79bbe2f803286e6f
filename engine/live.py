"""What is wrong with an integration that only the vendor knows: fields, matching rules, programs, lists. Only reads.

It is compared with what the vendor has now, or with what it had when its catalog was saved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from engine import check as checking
from engine import saved_catalog
from engine.adapters import Vendor
from engine.casts import TEXT_TYPES
from engine.errors import AbortRun, CredentialsError, SpecError
from engine.expressions import ExpressionError, Names, parse, suggestion
from engine.field_rows import Problems, compile_rows, cut, fitter, shown
from engine.filters import text
from engine.finder import Finder
from engine.mapping import Remote
from engine.plugins import Plugins
from engine.records import Field
from engine.specs import FieldRow, Integration

T = TypeVar("T")

#: Types that take what is written as another: whole numbers go into all fields of numbers, dates into points in time.
_WIDER: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"float", "currency", "percent"}),
    "float": frozenset({"currency", "percent"}),
    "percent": frozenset({"integer", "float"}),
    "date": frozenset({"datetime"}),
    "string": frozenset({"email"}), "text": frozenset({"email"}),
}  # fmt: skip
#: Fields of these types take no words.
_NO_WORDS = frozenset({"integer", "float", "currency", "percent", "boolean", "date", "datetime", "email"})
#: Lead fields that hold words.
_WORDS = frozenset({
    "first_name", "last_name", "full_name", "middle_name", "salutation", "name_suffix", "job_title", "job_function",
    "seniority", "department", "company", "company_domain", "industry", "website", "linkedin_url", "address", "city",
    "state", "country", "description", "notes", "event",
})  # fmt: skip
_TRUNCATED = re.compile(r"\|\s*truncate\(\s*(\d+)\s*\)\s*$")


@dataclass
class _Reading:
    """What the vendor answers, and the questions that it refuses: one missing permission hides no other problem."""

    refused: list[AbortRun] = field(default_factory=list)

    def read(self, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except (CredentialsError, SpecError) as error:
            self.refused.append(error)
            return None


def check(integration: Integration, plugins: Plugins, vendor: Vendor) -> list[AbortRun]:
    """Sign in and compare an integration with what the vendor has now; returns all findings.

    Raises CredentialsError where signing in fails, and what the vendor raises where it cannot be reached.
    """
    vendor.connect()
    reading, mapping = _Reading(), integration.mapping
    programs = list(dict.fromkeys(row.program_id for row in mapping.programs))
    lists = list(dict.fromkeys(row.list_id for row in mapping.lists))
    of_members = vendor.has_programs and any(row.fields for row in mapping.programs)
    remote = Remote(
        fields=reading.read(vendor.fields),
        programs=reading.read(lambda: vendor.programs(programs)) if vendor.has_programs and programs else None,
        member_fields=reading.read(vendor.member_fields) if of_members else None,
        lists=reading.read(lambda: vendor.lists(lists)) if vendor.has_lists and lists else None,
    )
    return [*reading.refused, *compare(integration, plugins, type(vendor), remote)]


def check_saved(integration: Integration, plugins: Plugins, path: Path | None = None) -> list[SpecError]:
    """Compare an integration with its saved catalog, or the one at `path`; no findings where there is none."""
    own = integration.destination.catalog
    if path is None and not own:
        return []
    finder = Finder(integration, plugins, [])
    vendor = plugins.vendor(integration.destination.use)
    try:
        catalog = saved_catalog.load(path or integration.folder / own)
    except SpecError as error:
        finder.problem(error.code, f"{error.what} ({error.where})", "destination.catalog", error.fix)
        return finder.problems
    again = "Save it again: `engine fields SPEC --save FILE`."
    if catalog.vendor != vendor.name:
        what = f"the saved catalog is of {catalog.vendor}, and the destination is {vendor.name}"
        finder.problem("old-catalog", what, "destination.catalog", again)
        return finder.problems
    if unknown := catalog.unknown(integration.mapping):
        what = f"the saved catalog does not know {', '.join(unknown)}, so that is not compared"
        finder.problem("old-catalog", what, "destination.catalog", again)
    return [*finder.problems, *compare(integration, plugins, vendor, catalog.remote(integration.mapping))]


def compare(integration: Integration, plugins: Plugins, vendor: type[Vendor], remote: Remote) -> list[SpecError]:
    """Compare an integration with what a vendor has, as far as that is known; returns all findings."""
    finder = Finder(integration, plugins, [])
    names = checking.names_of(integration, plugins)
    if remote.fields is not None:
        fields = {field.name: field for field in remote.fields}
        _check_matching(finder, vendor, fields)
        missing = f"{vendor.name} has no field"
        _check_rows(finder, names, integration.mapping.fields, fields, "mapping.fields", missing)
        _check_qualifiers(finder, fields, missing)
    _check_programs(finder, names, vendor, remote)
    if remote.lists is not None:
        for index, row in enumerate(integration.mapping.lists):
            if row.list_id not in remote.lists:
                finder.problem("unknown-list", f"there is no list {row.list_id}", f"mapping.lists.{index}.list_id",
                               "Correct the id, or let the API user see the list.")  # fmt: skip
    return finder.problems


def _check_matching(finder: Finder, vendor: type[Vendor], fields: Mapping[str, Field]) -> None:
    searchable = [name for name, field in fields.items() if field.searchable]
    for index, rule in enumerate(finder.integration.matching):
        if rule.by in vendor.keys or not vendor.field_keys or rule.by in searchable:
            continue
        known = fields.get(rule.by)
        what = f"no lead can be found by {rule.by!r}" if known else f"{vendor.name} has no field {rule.by!r}"
        hint = suggestion(rule.by, [*vendor.keys, *searchable])
        code = "unsearchable-field" if known else "unknown-vendor-field"
        finder.problem(code, what, f"matching.{index}.by", hint or f"It matches by {', '.join(vendor.keys)}, or by a "
                       "field that `engine fields` shows as searchable.", known.note if known else "")  # fmt: skip


def _check_target(finder: Finder, target: str, fields: Mapping[str, Field], at: str, missing: str) -> Field | None:
    """The field that is written to, or None with a finding where it cannot be."""
    known = fields.get(target)
    if known is None:
        writable = [name for name, field in fields.items() if field.writable]
        by_label = [f"Did you mean {name!r}?" for name, field in fields.items() if field.label == target]
        hint = by_label[0] if by_label else suggestion(target, writable) or "See `engine fields --writable`."
        finder.problem("unknown-vendor-field", f"{missing} {target!r}", at, hint)
    elif not known.writable:
        finder.problem("closed-vendor-field", f"{target!r} cannot be written", at, "Remove the row.", known.note)
    else:
        return known
    return None


def _check_rows(
    finder: Finder, names: Names, rows: Sequence[FieldRow], fields: Mapping[str, Field], at: str, missing: str
) -> None:
    for row in rows:
        place = f"{at}.{row.target}"
        known = _check_target(finder, row.target, fields, place, missing)
        if known is None:
            continue
        literal = _literal(row, names)
        bad: Problems = []
        if literal is not None:
            out: dict[str, Any] = {}
            compile_rows([literal], names, fields).fill({}, {}, out, out, out, bad, [])
        for name, value, why in bad:
            finder.problem(
                "value-refused", f"{name}: {shown(value)} {why}", place, suggestion(str(value), known.options)
            )
        if not bad:
            _check_type(finder, row, known, place)
        _check_instead(finder, row, known, place)
        for option in row.options if known.options else ():
            if option not in known.options:
                what = f"{row.target}: {option!r} is not among the options of the field"
                finder.problem("value-refused", what, f"{place}.options", suggestion(option, known.options))


def _check_instead(finder: Finder, row: FieldRow, known: Field, at: str) -> None:
    """Whether the field takes what is written instead of certain values."""
    fit = fitter(replace(known, type=row.type) if row.type else known)
    for given, instead in row.values.items():
        try:
            if text(instead) and not row.options:
                fit(cut(text(instead), known, []) if row.too_long == "truncate" else text(instead))
        except ValueError as error:
            what = f"{row.target}: {shown(instead)} {error}"
            hint = suggestion(text(instead), known.options)
            finder.problem("value-refused", what, f"{at}.values.{given}", hint)


def _literal(row: FieldRow, names: Names) -> FieldRow | None:
    """The row as one whose value is the same for every lead: that of its expression, or else of its default."""
    try:
        expression = parse(row.value, names)
    except ExpressionError:
        return None  # the check of the spec alone has said so
    if not expression.lead_fields and not expression.qualifiers:
        return replace(row, when="")
    return replace(row, value="''", when="") if row.default is not None else None


def _check_type(finder: Finder, row: FieldRow, known: Field, at: str) -> None:
    """Whether the field takes the type of value that the row gives, and its length."""
    takes = f"{row.target} takes {known.type}"
    if row.type and known.type not in TEXT_TYPES and row.type != known.type:
        if known.type not in _WIDER.get(row.type, ()):
            what = f"{takes}, and the row gives {row.type}"
            finder.problem("wrong-field-type", what, f"{at}.type", f"Write `type: {known.type}`, or leave it out.")
    elif not row.type and known.type in _NO_WORDS and row.value.strip().removeprefix("lead.") in _WORDS:
        what = f"{takes}, and {row.value.strip()} holds words"
        finder.problem("wrong-field-type", what, at, "Write another field, or an expression that gives such a value.")
    cut = _TRUNCATED.search(row.value)
    if cut and known.length is not None and int(cut[1]) > known.length and row.too_long == "fail":
        what = f"{row.target}: the text is cut at {cut[1]} characters, and the field holds {known.length}"
        finder.problem("too-long-for-field", what, at, f"Write truncate({known.length}), or `too_long: truncate`.")


def _check_qualifiers(finder: Finder, fields: Mapping[str, Field], missing: str) -> None:
    for row in finder.integration.mapping.qualifiers:
        at = f"mapping.qualifiers.{row.qualifier}"
        if not row.field:
            continue  # the check of the spec alone has said so
        known = _check_target(finder, row.field, fields, f"{at}.field", missing)
        fit = fitter(known)
        for answer, option in (row.options or {}).items() if known else ():
            try:
                fit(option)
            except ValueError as error:
                hint = suggestion(option, known.options) if known else ""
                what = f"{row.field}: {shown(option)} {error}"
                finder.problem("value-refused", what, f"{at}.options.{answer}", hint)


def _check_programs(finder: Finder, names: Names, vendor: type[Vendor], remote: Remote) -> None:
    members = remote.member_fields
    for index, row in enumerate(finder.integration.mapping.programs):
        at = f"mapping.programs.{index}"
        known = {field.name: field for field in members or ()}
        if row.fields and members is not None and not known:
            what = f"{vendor.name} shows no fields of a program's members"
            fix = "Let the API user read them; `engine doctor` shows what its role lacks."
            finder.problem("unknown-vendor-field", what, f"{at}.fields", fix)
        elif members is not None:
            missing = "a member of a program has no field"
            _check_rows(finder, names, row.fields, known, f"{at}.fields", missing)
        if remote.programs is None:
            continue
        program = remote.programs.get(row.program_id)
        if program is None:
            finder.problem("unknown-program", f"there is no program {row.program_id}", f"{at}.program_id",
                           "Correct the id, or let the API user see the program.")  # fmt: skip
            continue
        if program.refusal:
            finder.problem("closed-program", f"program {row.program_id} ({program.name}) takes no members",
                           f"{at}.program_id", why=program.refusal)  # fmt: skip
        options = {f"{at}.status_from.options.{answer}": status for answer, status in row.options.items()}
        for place, status in {f"{at}.status": row.status, **options}.items():
            if status and status not in program.statuses and not program.refusal:
                hint = suggestion(status, program.statuses) or f"It has: {', '.join(program.statuses) or 'none'}."
                what = f"program {row.program_id} ({program.name}) has no status {status!r}"
                finder.problem("unknown-status", what, place, hint)
