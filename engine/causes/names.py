"""Names that the vendor does not have: fields and member statuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.causes.case import Case, Proposal
from engine.causes.nearest import nearest, nearest_of
from engine.records import Field
from engine.spec_edit import Keys, Put, Remove, Rename


def fields(case: Case) -> Iterator[Proposal]:
    """The nearest field instead of one that is missing, or no row for it; a field is also meant by its label."""
    case.mention([case.field])
    mapping = case.integration.mapping
    taken = {*(row.target for row in mapping.fields), *(row.field for row in mapping.qualifiers)}
    for at, _, known in case.field_rows():
        of_person = at[1] == "fields"
        there = taken if of_person else {row.target for row in mapping.programs[int(at[2])].fields}
        if name := _meant(case, known, there):
            yield Proposal(f"write {name!r} instead of {case.field!r}", (Rename(at, name),))
        yield Proposal(f"leave {case.field!r} out", (Remove(at),))
    for place, qualifier in case.qualifier_rows():
        if name := _meant(case, case.fields, taken):
            what = f"{qualifier.qualifier}: write {name!r} instead of {case.field!r}"
            yield Proposal(what, (Put((*place, "field"), name),))
        yield Proposal(f"leave the qualifier {qualifier.qualifier!r} out", (Remove(place),))


def _meant(case: Case, known: Mapping[str, Field], taken: set[str]) -> str | None:
    if case.field in case.given:
        return case.given[case.field]
    free = [field for field in known.values() if field.writable and field.name not in taken]
    labels = {field.label: field.name for field in free if field.label}
    return nearest(case.field, labels | {field.name: field.name for field in free})


def statuses(case: Case) -> Iterator[Proposal]:
    """The nearest status of the program instead of one that it does not have."""
    wrong: dict[str, list[Keys]] = {}
    offered: dict[str, None] = {}
    for index, row in enumerate(case.integration.mapping.programs):
        program = (case.remote.programs or {}).get(row.program_id)
        if case.field != f"program {row.program_id}" or program is None:
            continue
        at: Keys = ("mapping", "programs", index)
        offered |= dict.fromkeys(program.statuses)
        places = {(*at, "status_from", "options", answer): status for answer, status in row.options.items()}
        for place, status in {(*at, "status"): row.status, **places}.items():
            if status and status not in program.statuses:
                wrong.setdefault(status, []).append(place)
    case.mention(wrong)
    meant = {status: case.given.get(status) or nearest_of(status, offered) for status in wrong}
    steps = tuple(Put(place, new) for status, new in meant.items() if new for place in wrong[status])
    if steps:
        what = ", ".join(f"{new!r} instead of {status!r}" for status, new in meant.items() if new)
        yield Proposal(f"{case.field}: write {what}", steps, tuple(name for name, new in meant.items() if not new))


def offered_statuses(case: Case) -> list[str]:
    """The statuses of the program that leads failed at, as far as they are known."""
    known = (case.remote.programs or {}).get(case.field.removeprefix("program "))
    return list(known.statuses) if known else []
