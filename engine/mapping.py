"""Compile a mapping spec into one function, checked against the vendor's live field list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.expressions import ExpressionError, Names, suggestion
from engine.field_rows import Problems, Rows, compile_rows, fitter, problem, refused, shown
from engine.filters import fold
from engine.records import Answer, Failure, Field, Lead, Membership, Notice, Program, Write
from engine.specs import ListRow, MappingSpec, ProgramRow, QualifierRow

_NO_ROWS = Rows(lambda lead, answers, out, blank, fresh, bad, cut: None, frozenset(), False)


@dataclass(frozen=True, slots=True)
class Remote:
    """What the vendor was seen to have: fields, the fields of its memberships, programs, and lists by name.

    None is what is not known, and is not compared with.
    """

    fields: Sequence[Field] | None = None
    member_fields: Sequence[Field] | None = None
    programs: Mapping[str, Program] | None = None
    lists: Mapping[str, str] | None = None


@dataclass
class Compiled:
    """A mapping ready to run. `broken` holds what makes it unusable for every lead, one failure a cause."""

    broken: list[Failure] = field(default_factory=list)
    needs_scans: bool = False
    reads_blanks: bool = False
    _fields: Rows = _NO_ROWS
    _qualifiers: list[tuple[QualifierRow, Callable[[Any], Any]]] = field(default_factory=list)
    _programs: Sequence[tuple[ProgramRow, Rows, Program | None]] = ()
    _lists: Sequence[ListRow] = ()

    @property
    def doubtful(self) -> bool:
        """Whether the vendor was seen to lack what the mapping names: worth another look before leads fail."""
        return bool(self.broken) or any(
            program is not None
            and (program.refusal or not {row.status, *row.options.values()} - {""} <= {*program.statuses})
            for row, _, program in self._programs
        )

    def apply(self, lead: Lead) -> Write | Failure:
        """Map one lead: fields, then qualifiers, then programs and lists. A value that does not fit fails the lead."""
        if self.broken:
            return self.broken[0]
        fields = lead.fields
        if self.needs_scans:
            fields = {**fields, "scans": lead.scans}
        if lead.remote_id:
            fields = {**fields, "remote_id": lead.remote_id}
        out: dict[str, Any] = {}
        blank: dict[str, Any] = {}
        bad: Problems = []
        cut: list[Notice] = []
        fresh: dict[str, Any] = {}
        self._fields.fill(fields, lead.qualifiers, out, blank, fresh, bad, cut)
        if bad:
            return problem(bad)
        for row, fit in self._qualifiers:
            failure = _answer(row, fit, lead.qualifiers, out if row.write == "overwrite" else blank)
            if failure:
                return failure
        memberships: list[Membership] = []
        for program, rows, remote in self._programs:
            found = _membership(program, lead, remote)
            if isinstance(found, Membership) and program.fields:
                data: dict[str, Any] = {}
                rows.fill(fields, lead.qualifiers, data, data, data, bad, cut)
                found = problem(bad) if bad else Membership(found.target, found.status, data)
            if isinstance(found, Failure):
                return found
            if found is not None and found not in memberships:
                memberships.append(found)
        for place in self._lists:
            if _scans(lead, place.event) >= max(1, place.min_scans):
                memberships.append(Membership(place.list_id, kind="list"))
        return Write(out, blank, tuple(memberships), tuple(cut), fresh)


def compile_mapping(spec: MappingSpec, names: Names, remote: Remote) -> Compiled:
    """Compile `spec` against what the vendor has, as far as that is known. Raises ExpressionError.

    What the vendor refuses for every lead (no such field or list, not writable) is in `broken`, not raised: it is one
    group of failures.
    """
    known = {field.name: field for field in remote.fields or ()}
    members = {field.name: field for field in remote.member_fields or ()}
    rows = compile_rows(spec.fields, names, known)
    compiled = Compiled(_fields=rows, _lists=spec.lists, reads_blanks=rows.reads_blanks)
    for target in dict.fromkeys([*(row.target for row in spec.fields), *(row.field for row in spec.qualifiers)]):
        if remote.fields is not None and (failure := refused(target, known)):
            compiled.broken.append(failure)
    used = set(rows.lead_fields)
    programs = []
    for program in spec.programs:
        for row in program.fields if remote.member_fields is not None else ():
            if failure := refused(row.target, members):
                compiled.broken.append(failure)
        of_member = compile_rows(program.fields, names, members)
        used |= of_member.lead_fields
        programs.append((program, of_member, _seen(program, remote.programs)))
    compiled._programs = programs
    for place in spec.lists if remote.lists is not None else ():
        if place.list_id not in (remote.lists or {}):
            what = f"the vendor has no list {place.list_id}"
            compiled.broken.append(Failure("CAMPAIGN_NOT_WRITABLE", what, field=f"list {place.list_id}"))
    compiled.needs_scans = "scans" in used
    for qualifier in spec.qualifiers:
        compiled.reads_blanks |= qualifier.write == "if_blank"
        compiled._qualifiers.append((qualifier, fitter(known.get(qualifier.field))))
    return compiled


def _seen(row: ProgramRow, known: Mapping[str, Program] | None) -> Program | None:
    """The program of a row as the vendor has it; None where programs are not known."""
    if known is None:
        return None
    return known.get(row.program_id) or Program(row.program_id, "", refusal="it does not exist")


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
        return Failure("DATA_VALUE_VALIDATION", f"{row.field}: {shown(chosen)} {error}", field=row.field)
    return None


def _no_option(qualifier: str, answer: str, target: str) -> Failure:
    return Failure("NO_TAG_MAPPING", f"{qualifier}: the answer {answer!r} has no option", field=target)


def _scans(lead: Lead, event: str) -> int:
    """How often a lead was scanned at an event, or at all where none is named."""
    wanted = fold(event)
    return sum(count for name, count in lead.events.items() if not wanted or fold(name) == wanted)


def _membership(row: ProgramRow, lead: Lead, program: Program | None) -> Membership | Failure | None:
    """The membership that a row gives a lead, None where it does not apply to it."""
    if _scans(lead, row.event) < max(1, row.min_scans):
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
    if program is not None:
        where = f"program {row.program_id}"
        if program.refusal:
            return Failure("CAMPAIGN_NOT_WRITABLE", f"{where} takes no members: {program.refusal}", field=where)
        if status not in program.statuses:
            hint = suggestion(status, program.statuses) or f"It has: {', '.join(program.statuses)}."
            return Failure(
                "INVALID_CAMPAIGN_STATUS", f"{where} ({program.name}) has no status {status!r}. {hint}", field=where
            )
    return Membership(row.program_id, status)


__all__ = ["Compiled", "ExpressionError", "Remote", "compile_mapping"]
