"""Compile a mapping spec into one function, checked against the vendor's live field list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.casts import CASTS, TEXT_TYPES
from engine.expressions import Expression, ExpressionError, Names, parse, suggestion
from engine.filters import fold, text
from engine.records import Answer, Failure, Field, Lead, Membership, Program, Write
from engine.specs import FieldRow, MappingSpec, ProgramRow, QualifierRow

_Problems = list[tuple[str, Any, str]]
_Fields = Callable[[Mapping[str, Any], Mapping[str, Answer], dict[str, Any], dict[str, Any], _Problems], None]


@dataclass
class Compiled:
    """A mapping ready to run. `broken` holds what makes it unusable for every lead, one failure a cause."""

    broken: list[Failure] = field(default_factory=list)
    needs_scans: bool = False
    reads_blanks: bool = False
    _fields: _Fields = lambda lead, answers, out, blank, bad: None
    _qualifiers: list[tuple[QualifierRow, Callable[[Any], Any]]] = field(default_factory=list)
    _programs: Sequence[ProgramRow] = ()
    _known_programs: Mapping[str, Program] | None = None

    def apply(self, lead: Lead) -> Write | Failure:
        """Map one lead: fields, then qualifiers, then programs. A value that does not fit fails the lead."""
        if self.broken:
            return self.broken[0]
        fields = lead.fields
        if self.needs_scans:
            fields = {**fields, "scans": lead.scans}
        if lead.remote_id:
            fields = {**fields, "remote_id": lead.remote_id}
        out: dict[str, Any] = {}
        blank: dict[str, Any] = {}
        bad: _Problems = []
        self._fields(fields, lead.qualifiers, out, blank, bad)
        if bad:
            name, value, why = bad[0]
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            return Failure("DATA_VALUE_VALIDATION", f"{name}: {_shown(value)} {why}{more}", field=name)
        for row, fit in self._qualifiers:
            failure = _answer(row, fit, lead.qualifiers, out if row.write == "overwrite" else blank)
            if failure:
                return failure
        memberships: list[Membership] = []
        for program in self._programs:
            found = _membership(program, lead, self._known_programs)
            if isinstance(found, Failure):
                return found
            if found is not None and found not in memberships:
                memberships.append(found)
        return Write(out, blank, tuple(memberships))


def _shown(value: Any) -> str:
    shown = repr(text(value))
    return shown if len(shown) <= 60 else f"{shown[:57]}…'"


def compile_mapping(
    spec: MappingSpec,
    names: Names,
    fields: Sequence[Field] | None,
    programs: Mapping[str, Program] | None = None,
) -> Compiled:
    """Compile `spec`; `fields` is the vendor's live list, or None where it is not known. Raises ExpressionError.

    What the live list refuses (no such field, not writable) is in `broken`, not raised: it is one group of failures.
    """
    known = {field.name: field for field in fields} if fields is not None else None
    compiled = Compiled(_programs=spec.programs, _known_programs=programs)
    for target in dict.fromkeys([*(row.target for row in spec.fields), *(row.field for row in spec.qualifiers)]):
        failure = _refused(target, known)
        if failure:
            compiled.broken.append(failure)
    namespace = names.namespace()
    lines = ["def fields(lead, answers, out, blank, bad):", "    get = lead.get"]
    for index, row in enumerate(spec.fields):
        expression = parse(row.value, names)
        condition = parse(row.when, names) if row.when else None
        used = expression.lead_fields | (condition.lead_fields if condition else frozenset())
        compiled.needs_scans |= "scans" in used
        compiled.reads_blanks |= row.write == "if_blank"
        lines += _row_source(index, row, expression, condition, (known or {}).get(row.target), namespace)
    exec("\n".join(lines), namespace)  # noqa: S102 - written here from allow-listed expressions and constants
    compiled._fields = namespace["fields"]
    for qualifier in spec.qualifiers:
        compiled.reads_blanks |= qualifier.write == "if_blank"
        compiled._qualifiers.append((qualifier, _fitter((known or {}).get(qualifier.field))))
    return compiled


def _refused(target: str, known: Mapping[str, Field] | None) -> Failure | None:
    if known is None:
        return None
    if target not in known:
        hint = suggestion(target, known)
        message = f"the vendor has no field {target!r}" + (f". {hint}" if hint else "")
        return Failure("MISSING_REMOTE_FIELD", message, field=target)
    if not known[target].writable:
        return Failure("MISSING_REMOTE_FIELD", f"the vendor's field {target!r} cannot be written", field=target)
    return None


def _row_source(
    index: int,
    row: FieldRow,
    expression: Expression,
    condition: Expression | None,
    remote: Field | None,
    namespace: dict[str, Any],
) -> list[str]:
    """The Python lines of one row. An empty value sends no key; 0 and false are values."""
    kind = row.type or (remote.type if remote else "string")
    length = remote.length if remote else None
    namespace["Exception"] = Exception
    namespace["str"] = str
    namespace["len"] = len
    bag = "blank" if row.write == "if_blank" else "out"
    target = repr(row.target)
    body = [f"v = {expression.source}"]
    if row.default is not None:
        body += ["if v is None or v == '' or v == []:", f"    v = {row.default!r}"]
    if kind in TEXT_TYPES or kind not in CASTS:
        body += ["if v.__class__ is not str:", "    v = text(v)"]
        store = [f"{bag}[{target}] = v"]
        if remote and remote.options:
            namespace[f"options{index}"] = frozenset(remote.options)
            store = [f"if v in options{index}:", f"    {store[0]}", "else:",
                     f"    bad.append(({target}, v, 'is not among the options of the field'))"]  # fmt: skip
        if length is None:
            body += ["if v:", *(f"    {line}" for line in store)]
        else:
            too_long = f"'is longer than the {length} characters of the field'"
            body += [
                "if v:",
                f"    if len(v) > {length}:",
                f"        bad.append(({target}, v, {too_long}))",
                "    else:",
                *(f"        {line}" for line in store),
            ]
    else:
        namespace[f"cast{index}"] = CASTS[kind]
        body += ["if v is not None and v != '' and v != []:", f"    {bag}[{target}] = cast{index}(v)"]
    if condition is not None:
        body = [f"if {condition.source}:", *(f"    {line}" for line in body)]
    return [
        "    v = ''",
        "    try:",
        *(f"        {line}" for line in body),
        "    except Exception as error:",
        f"        bad.append(({target}, v, str(error)))",
    ]


def _fitter(remote: Field | None) -> Callable[[Any], Any]:
    """A function that casts a value to a field's type and refuses, by ValueError, what the field does not take."""
    if remote is None:
        return text
    cast: Callable[[Any], Any] = CASTS.get(remote.type, text)

    def fit(value: Any) -> Any:
        found = cast(value)
        if remote.length is not None and isinstance(found, str) and len(found) > remote.length:
            raise ValueError(f"is longer than the {remote.length} characters of the field")
        if remote.options and found not in remote.options:
            raise ValueError("is not among the options of the field")
        return found

    return fit


def _answer(
    row: QualifierRow, fit: Callable[[Any], Any], answers: Mapping[str, Answer], out: dict[str, Any]
) -> Failure | None:
    """Write the answers to one qualifier, or say why they cannot be written."""
    given = answers.get(row.qualifier)
    chosen = [given] if isinstance(given, str) else list(given or ())
    if not chosen or chosen == [""]:
        return None
    if len(chosen) > 1 and not row.multiple:
        what = f"{row.qualifier}: {len(chosen)} answers ({', '.join(chosen)}), the field takes one"
        return Failure("DATA_VALUE_VALIDATION", what, field=row.field)
    if row.options is not None:
        unknown = [answer for answer in chosen if answer not in row.options]
        if unknown:
            return _no_option(row.qualifier, unknown[0], row.field)
        chosen = [row.options[answer] for answer in chosen]
    try:
        out[row.field] = fit(row.separator.join(chosen))
    except ValueError as error:
        return Failure("DATA_VALUE_VALIDATION", f"{row.field}: {_shown(chosen)} {error}", field=row.field)
    return None


def _no_option(qualifier: str, answer: str, target: str) -> Failure:
    return Failure("NO_TAG_MAPPING", f"{qualifier}: the answer {answer!r} has no option", field=target)


def _membership(row: ProgramRow, lead: Lead, known: Mapping[str, Program] | None) -> Membership | Failure | None:
    """The membership that a row gives a lead, None where it does not apply to it."""
    wanted = fold(row.event)
    scans = sum(count for event, count in lead.events.items() if not wanted or fold(event) == wanted)
    if scans < max(1, row.min_scans):
        return None
    status = row.status
    given = lead.qualifiers.get(row.qualifier) if row.qualifier else None
    chosen = [given] if isinstance(given, str) else list(given or ())
    mapped = [row.options[answer] for answer in chosen if answer in row.options]
    if mapped:
        status = mapped[0]
    elif chosen and not status:
        return _no_option(row.qualifier, chosen[0], f"program {row.program_id}")
    if not status:
        return None
    if known is not None:
        program = known.get(row.program_id)
        if program is None:
            what = f"program {row.program_id} does not exist or takes no members"
            return Failure("CAMPAIGN_NOT_WRITABLE", what, field=f"program {row.program_id}")
        if status not in program.statuses:
            hint = suggestion(status, program.statuses) or f"It has: {', '.join(program.statuses)}."
            what = f"program {row.program_id} ({program.name}) has no status {status!r}. {hint}"
            return Failure("INVALID_CAMPAIGN_STATUS", what, field=f"program {row.program_id}")
    return Membership(row.program_id, status)


__all__ = ["Compiled", "ExpressionError", "compile_mapping"]
