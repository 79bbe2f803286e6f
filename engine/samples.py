"""Sample leads: what stands in a samples file or under `tests` of a spec, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.filters import text
from engine.records import Answer

#: What counts as now for a sample that does not say.
NOW = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a test expects; None is what it does not compare.

    fields: values by vendor field, None for one that is not sent. programs: status by program id, None for one that the
    lead does not get into. lists: all list ids. keys: the kinds of keys in their order. failure: a failure code.
    """

    fields: Mapping[str, Any] | None = None
    programs: Mapping[str, str | None] | None = None
    lists: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One invented lead: `lead` holds text by lead field, or `row` text by column; the other is None.

    `events`: scans by event, None for one scan at the lead's event. `now`: ISO 8601. `at`: where it stands in its spec,
    as a dotted path.
    """

    name: str
    lead: Mapping[str, str] | None = None
    row: Mapping[str, str] | None = None
    qualifiers: Mapping[str, Answer] = field(default_factory=dict)
    events: Mapping[str, int] | None = None
    now: str = NOW
    expected: Expected | None = None
    at: str = ""


def read(name: str, raw: Mapping[str, Any], *, at: str) -> Sample:
    """A sample that the schema has accepted. Values become text, as a source would give them."""
    expect = raw.get("expect")
    return Sample(
        name,
        lead=_texts(raw.get("lead")),
        row=_texts(raw.get("row")),
        qualifiers=raw.get("qualifiers", {}),
        events=raw.get("events"),
        now=raw.get("now", NOW),
        expected=_expected(expect) if expect is not None else None,
        at=at,
    )


def _texts(raw: Mapping[str, Any] | None) -> Mapping[str, str] | None:
    return None if raw is None else {name: text(value) for name, value in raw.items()}


def _expected(raw: Mapping[str, Any]) -> Expected:
    lists, keys = raw.get("lists"), raw.get("keys")
    return Expected(
        fields=raw.get("fields"),
        programs=raw.get("programs"),
        lists=None if lists is None else tuple(str(id) for id in lists),
        keys=None if keys is None else tuple(keys),
        failure=raw.get("failure"),
    )
