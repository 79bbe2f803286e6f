"""Guesses of what is meant by a text that is written otherwise: made where they are clear, and else not."""

from __future__ import annotations

import pytest

from engine.causes.nearest import nearest_of, says_nothing
from engine.causes.readers import reader_for


@pytest.mark.parametrize(
    ("wanted", "among", "meant"),
    [
        ("norway", ["Norway", "Sweden"], "Norway"), ("Untied States", ["United States", "Kenya"], "United States"),
        ("Zürich", ["Zurich", "Bern"], "Zurich"), ("States, United", ["United States"], "United States"),
        ("Cold", ["A", "B"], None), ("Area 51", ["Area 52", "Area 53"], None), ("hot", ["Hot", "HOT"], None),
        ("HOT", ["Hot", "Cold"], "Hot"), ("", [], None),
    ],
)  # fmt: skip
def test_a_guess_is_made_where_one_name_is_clearly_nearest(wanted: str, among: list[str], meant: str | None) -> None:
    assert nearest_of(wanted, among) == meant


def test_words_that_say_nothing() -> None:
    assert all(map(says_nothing, ["n/a", "N/A", "-", "--", "?", " none ", "TBD"]))
    assert not any(map(says_nothing, ["0", "no", "Norway", "x"]))


@pytest.mark.parametrize(
    ("kind", "values", "read"),
    [
        ("integer", ["1,200"], "number(thousands=',')"), ("integer", ["1.200"], "number(decimal=',', thousands='.')"),
        ("float", ["12,5", "1.200,75"], "number(decimal=',', thousands='.')"),
        ("float", ["1,200"], "number(thousands=',')"),
        ("currency", ["$1,200"], "replace(',', '')"), ("integer", ["about 5"], None), ("boolean", ["x"], "boolean"),
        ("date", ["31.12.2026"], "date('%d.%m.%Y')"), ("date", ["05/06/2026"], None),
        ("date", ["05/06/2026", "31/12/2026"], "date('%d/%m/%Y')"), ("datetime", ["31.12.2026 09:30"],
                                                                     "datetime('%d.%m.%Y %H:%M')"),
    ],
)  # fmt: skip
def test_a_form_is_read_where_it_fits_all_values_and_no_other_would(
    kind: str, values: list[str], read: str | None
) -> None:
    found = reader_for(kind, values)
    assert (found.filter if found else None) == read
