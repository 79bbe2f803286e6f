"""Erasing a person: nothing is left in the file, nothing comes back with the next file, and the books still add up."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engine.state import Store
from tests.conftest import Bench

WHO = {
    "First Name": "Zoëlla", "Last Name": "Quillfeather", "Company": "Fernhill", "Job Title": "",
    "E-mail": "Zoella.Quillfeather@fernhill.example", "Phone": "+47 900 00 417", "Badge": "B-90417",
}  # fmt: skip
OTHER = {**WHO, "First Name": "Bo", "Last Name": "Reed", "E-mail": "bo@gantry.example", "Phone": "+47 900 00 555",
         "Badge": "B-1"}  # fmt: skip
FIELDS = {"email": "lead.email", "firstName": "lead.first_name", "lastName": "lead.last_name", "phone": "lead.phone"}
#: What must not be found: whole, and in the forms that texts are stored in.
TELLING = ("Zoëlla", "Quillfeather", "zoella.quillfeather@fernhill.example", "+47 900 00 417", "90417", "4790000417")


@pytest.fixture
def show(bench: Bench) -> Path:
    """A show that has run once: both people enriched by a paid provider, written, in a program; one with a failure."""
    bench.marketo()
    bench.leads([WHO, OTHER, {**WHO, "Phone": "+47 900 00 417", "Job Title": "CTO"}])
    spec = bench.spec(
        fields=FIELDS, source={"columns": {"Badge": "badge_id"}, "event": "Expo", "path": "leads.csv"},
        enrichment=[bench.provider_step(want=["mobile_phone"])],
        mapping={"programs": [{"program_id": 1107, "status": "Registered"}]},
    )  # fmt: skip
    bench.run(spec)
    assert set(bench.statuses().values()) == {"cleared"}
    return spec


def bytes_of(bench: Bench) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(bench.state.parent.iterdir()) if path.is_file())


def forms(text: str) -> set[bytes]:
    """A text as it may stand in the file, in either case."""
    plain = {text, json.dumps(text)[1:-1], quote(text), quote(text, safe="")}
    return {form.encode(code) for each in plain for form in (each, each.lower(), each.upper())
            for code in ("utf-8", "utf-16-le")}  # fmt: skip


def found(bench: Bench) -> list[bytes]:
    content = bytes_of(bench)
    return [form for text in TELLING for form in forms(text) if form in content]


def test_no_byte_of_the_person_is_left(bench: Bench, show: Path) -> None:
    bench.cli("reconcile", "fix", "zoella.quillfeather@fernhill.example", "job_title=CTO")
    assert found(bench), "it is there before"
    done = bench.cli("erase", "zoella.quillfeather@fernhill.example", "--yes", "--json", "--reason", "asked for it")
    assert done.code == 0, done.err
    told = done.json["certificate"]
    assert told["removed"]["leads"] == 1 and told["removed"]["captures"] == 2
    assert done.json["remote"] == [
        {"account": bench.sql("SELECT account FROM runs LIMIT 1")[0][0],
         "record": str(bench.people()["zoella.quillfeather@fernhill.example"]["id"])}
    ]  # fmt: skip
    assert found(bench) == []
    assert "bo@gantry.example" in bytes_of(bench).decode("latin-1"), "nobody else is touched"
    (certificate,) = bench.sql("SELECT id, by, at, reason, removed FROM erasures")
    assert certificate[:4] == (told["id"], told["by"], told["at"], "asked for it")
    assert json.loads(certificate[4]) == told["removed"]
    assert len(told["id"]) == 16
    assert bench.sql("SELECT count(*) FROM paid_calls")[0][0] >= 2, "what was paid stays in the books"


def test_the_person_does_not_come_back_with_the_next_file(bench: Bench, show: Path) -> None:
    bench.cli("erase", "zoella.quillfeather@fernhill.example", "--yes")
    writes = len(bench.writes())
    for _ in range(2):
        totals = bench.run(show).totals
        assert (totals["suppressed"], totals["cleared"]) == (1, 1)
    # Without the address he is known again by his badge and by his name.
    bench.leads([{**WHO, "E-mail": ""}, {**WHO, "E-mail": "", "Badge": ""}, OTHER])
    assert bench.run(show).totals["cleared"] == 1
    assert found(bench) == []
    assert len(bench.writes()) == writes


def test_somebody_has_to_agree(bench: Bench, show: Path) -> None:
    before = bench.sql("SELECT count(*) FROM leads")
    done = bench.cli("erase", "zoella.quillfeather@fernhill.example")
    assert (done.code, "nobody was there to agree" in done.err) == (2, True)
    assert "2  captures" in done.out and "to be deleted there" in done.out
    assert bench.sql("SELECT count(*) FROM leads") == before
    assert bench.cli("erase", "nobody@fernhill.example", "--yes").code == 2


def test_nothing_is_erased_under_a_run(bench: Bench, show: Path) -> None:
    with Store(bench.state) as store:
        store.database.hold()
        done = bench.cli("erase", "bo@gantry.example", "--yes")
    assert done.code == 3
    assert bench.sql("SELECT count(*) FROM leads")[0][0] == 2


def test_a_number_or_a_key_will_do(bench: Bench, show: Path) -> None:
    (id_, key), *_ = bench.sql("SELECT id, key FROM leads WHERE key LIKE '%bo@%'")
    assert bench.cli("erase", str(id_), "--yes").code == 0
    assert bench.cli("erase", key, "--yes").code == 2, "he is gone"
    assert bench.cli("erase", "email:zoella.quillfeather@fernhill.example", "--yes").code == 0
    assert bench.sql("SELECT count(*) FROM leads")[0][0] == 0
    totals: dict[str, Any] = bench.run(show).totals
    assert (totals["captured"], totals["suppressed"]) == (3, 2)


def test_a_lead_that_is_known_by_the_same_badge_is_the_same_person_and_a_namesake_is_told(
    bench: Bench, show: Path
) -> None:
    bench.leads([{**WHO, "E-mail": "", "Phone": ""}, {**OTHER, "E-mail": "", "Badge": ""}])
    bench.run(show)
    assert sorted(key.partition(":")[0] for (key,) in bench.sql("SELECT key FROM leads")) == [
        "badge", "email", "email", "name"
    ]  # fmt: skip
    done = bench.cli("erase", "zoella.quillfeather@fernhill.example", "--yes", "--json")
    assert done.json["certificate"]["removed"]["leads"] == 2 and done.json["namesakes"] == []
    assert found(bench) == []
    preview = bench.cli("erase", "bo@gantry.example")
    (namesake,) = bench.sql("SELECT id FROM leads WHERE key LIKE 'name:%'")[0]
    assert f"name and company alone, and left: lead {namesake}" in preview.out
    assert bench.cli("erase", "bo@gantry.example", "--yes", "--json").json["namesakes"] == [namesake]
    assert bench.sql("SELECT id FROM leads") == [(namesake,)]


def test_nothing_is_erased_in_an_import_under_way(bench: Bench, show: Path) -> None:
    (lead,) = bench.sql("SELECT id FROM leads WHERE key LIKE '%bo@%'")[0]
    with Store(bench.state) as store, store.database.transaction() as db:
        db.execute("INSERT INTO imports (integration_id, run_id, account, what, ticket, state, submitted_at, poll_at,"
                   " leads) VALUES (1, 'r', 'a', 'person', '1017', 'running', 0, 0, ?)", [f"[[{lead},1]]"])  # fmt: skip
    done = bench.cli("erase", "bo@gantry.example", "--yes")
    assert (done.code, "in an import under way (1017)" in done.err) == (2, True)
    # Another's import that has ended names the person no more.
    with Store(bench.state) as store, store.database.transaction() as db:
        db.execute("UPDATE imports SET state = 'done'")
    assert bench.cli("erase", "bo@gantry.example", "--yes").code == 0
    assert bench.sql("SELECT leads FROM imports") == [("[]",)]


def test_nothing_is_erased_while_something_else_reads_the_state(bench: Bench, show: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.state.erasure.PATIENCE", 0.0)
    with Store(bench.state) as writer, writer.database.transaction() as db:
        db.execute("UPDATE runs SET message = 'something in the journal'")
    reader = sqlite3.connect(bench.state)
    try:
        with Store(bench.state) as writer:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM leads").fetchone()
            with writer.database.transaction() as db:
                db.execute("UPDATE runs SET message = ''")
            done = bench.cli("erase", "bo@gantry.example", "--yes")
    finally:
        reader.close()
    assert (done.code, "nothing was erased: something else reads" in done.err) == (3, True)
    assert bench.sql("SELECT count(*) FROM leads")[0][0] == 2
    assert bench.cli("erase", "bo@gantry.example", "--yes").code == 0
