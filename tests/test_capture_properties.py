"""Capture, whatever the rows: all of them are accounted for, and their order makes no other leads."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine import specs
from engine.state import Store
from tests.unit_helpers import adds_up, all_leads, capture, write_spec

_CELL = st.sampled_from(
    ["", "Ada", "Bo", " ada ", "Fernhill", "x@f.example", "X@F.example ", "7", '"', "é", "long" * 9]
)
_LINE = st.one_of(
    st.lists(_CELL, min_size=6, max_size=6).map(lambda cells: ",".join(cell.replace('"', '""""') for cell in cells)),
    st.lists(_CELL, max_size=8).map(lambda cells: ",".join(cells).replace('"', "")),
    st.just("too,many,cells,in,this,row,here"),
).map(str.encode) | st.just(b"b\x81d,bytes,here")
_HEADER = b"First Name,Last Name,Company,Email,Badge,Event\n"

lines_of_a_file = st.lists(_LINE, max_size=14)


def _captured(folder: Path, *files: list[bytes]) -> tuple[dict[str, int], list[dict[str, Any]], int]:
    spec = specs.load(write_spec(folder))
    rows = 0
    with Store(folder / "state.db", check=False) as store:
        for index, lines in enumerate(files):
            path = folder / f"leads{index}.csv"
            path.write_bytes(_HEADER + b"".join(line + b"\n" for line in lines))
            rows += capture(store, spec, path).tallies.rows
        return store.reports.totals("expo"), all_leads(store), rows


@settings(max_examples=12, deadline=None)
@given(first=lines_of_a_file, second=lines_of_a_file)
def test_every_row_is_accounted_for(first: list[bytes], second: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        totals, leads, rows = _captured(Path(folder), first, second, first)
    assert adds_up(totals)
    assert totals["captured"] == len(leads) + totals["duplicate"]
    assert totals["captured"] == sum(len(lead["captures"]) for lead in leads)
    assert totals["captured"] == sum(sum(lead["events"].values()) for lead in leads)
    assert totals["captured"] <= rows
    assert len({lead["key"] for lead in leads}) == len(leads)
    for lead in leads:
        assert (lead["status"] == "failed") == any(failure["resolved_at"] is None for failure in lead["failures"])


@settings(max_examples=12, deadline=None)
@given(lines=lines_of_a_file, data=st.data())
def test_the_order_of_rows_makes_no_other_leads(lines: list[bytes], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(lines))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        totals, leads, _ = _captured(Path(one), lines)
        totals_after, leads_after, _ = _captured(Path(other), shuffled)
    assert totals_after == totals
    assert {lead["key"]: lead["events"] for lead in leads} == {lead["key"]: lead["events"] for lead in leads_after}
    assert {lead["key"]: lead["status"] for lead in leads} == {lead["key"]: lead["status"] for lead in leads_after}
