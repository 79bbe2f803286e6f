"""What is wrong with a sample: names that its integration does not know, and values that no source could give."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.codes import CODES
from engine.columns import recognise
from engine.errors import Place, SpecError
from engine.expressions import Names, suggestion
from engine.records import DERIVED_FIELDS
from engine.samples import Sample
from engine.specs import Integration
from engine.trial import moment


def problems(sample: Sample, integration: Integration, names: Names, place: Callable[[str], Place]) -> list[SpecError]:
    """All findings of a sample. `names` are those of the integration.

    `place` says where a part of the sample stands, by its dotted path within it.
    """
    found = [*_fields(sample, names), *_columns(sample, integration), *_qualifiers(sample, names), *_others(sample)]
    return [SpecError(f"{sample.name}: {what}", where=place(at), fix=fix, code=code) for code, what, at, fix in found]


#: Code, what is wrong, where, what to do.
_Found = Iterator[tuple[str, str, str, str]]


def _fields(sample: Sample, names: Names) -> _Found:
    for name in sample.lead or ():
        at = f"lead.{name}"
        if name in DERIVED_FIELDS:
            yield "unknown-lead-field", f"{name!r} is worked out, not captured", at, "Write `events: {Expo 2026: 2}`."
        elif name not in names.fields:
            known = names.fields.difference(DERIVED_FIELDS)
            fix = suggestion(name, known) or "Correct the name, or make it a field by `source.columns`."
            yield "unknown-lead-field", f"unknown lead field {name!r}", at, fix


def _columns(sample: Sample, integration: Integration) -> _Found:
    source = integration.source
    known = {*source.columns, *(row.column for row in source.qualifiers.values())}
    for column in sample.row or ():
        if column not in known and recognise(column) is None:
            fix = suggestion(column, known) or "A column of which nothing becomes is left out of a sample."
            yield "unknown-key", f"unknown column {column!r}", f"row.{column}", fix


def _qualifiers(sample: Sample, names: Names) -> _Found:
    for name in sample.qualifiers:
        if name not in names.qualifiers:
            fix = suggestion(name, names.qualifiers) or "Correct the name, or add it under `source.qualifiers`."
            yield "unknown-qualifier", f"unknown qualifier {name!r}", f"qualifiers.{name}", fix


def _others(sample: Sample) -> _Found:
    try:
        moment(sample.now)
    except (ValueError, OverflowError):
        yield "wrong-value", f"{sample.now!r} is no time", "now", "Write it as 2026-05-12T09:30:00Z."
    failure = sample.expected.failure if sample.expected else None
    if failure and failure not in CODES:
        fix = suggestion(failure, CODES) or "`engine explain` knows all codes; docs/failures.md lists them."
        yield "wrong-value", f"there is no failure code {failure!r}", "expect.failure", fix
