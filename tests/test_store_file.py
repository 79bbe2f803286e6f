"""The state file: private, refused when it is not understood, and explained column by column."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import EnvironmentFault
from engine.migrations import APPLICATION_ID
from engine.run import Run
from engine.state import Store
from tests.unit_helpers import shelf_plugins, write_csv, write_spec


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state" / "state.db") as opened:
        yield opened


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Store(tmp_path / "deep" / "state" / "state.db") as store:
            store.runs.begin("expo", "", "", "", 0.0)
            store.database.hold()
            folder = tmp_path / "deep" / "state"
            assert mode(folder) == 0o700
            assert {path.name: oct(mode(path)) for path in folder.iterdir()} == dict.fromkeys(
                ("state.db", "state.db-wal", "state.db-shm", "state.db.lock", "state.db.opening"), "0o600"
            )
    finally:
        os.umask(before)


def test_what_is_stored_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with Store(path) as store:
        store.runs.begin("expo", "spec.yaml", "d", "leads.csv", 7.0)
    with Store(path) as store:
        last = store.runs.last()
        assert last is not None
        assert (last.integration, last.status, last.started_at) == ("expo", "running", 7.0)


def test_a_power_cut_loses_nothing_that_was_committed(store: Store) -> None:
    pragmas = {name: store.database.row(f"PRAGMA {name}") for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": ("wal",), "synchronous": (2,)}


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE music (title TEXT)")
    db.close()


def _no_database(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 500)


def _damaged(path: Path) -> None:
    with Store(path) as store:
        run = store.runs.begin("expo", "x" * 50_000, "", "", 0.0)
        for number in range(300):
            store.runs.end(run.id, "done", 0, float(number), "y" * 100)
            store.runs.begin(f"expo{number}", "x" * 2_000, "", "", float(number))
    content = bytearray(path.read_bytes())
    for at in range(8192 * 3, len(content), 8192):
        content[at : at + 200] = b"\x7f" * 200
    path.write_bytes(bytes(content))


def _newer(path: Path) -> None:
    with Store(path) as store:
        store.database.tables["_sqlite_migrations"].insert(  # type: ignore[union-attr]
            {"migration_set": "lead-engine", "name": "m999_from_the_future", "applied_at": "2099-01-01"}
        )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(_foreign, "a database of something else"), (_no_database, "no usable SQLite database"),
     (_damaged, "damaged|malformed|no usable"), (_newer, "written by a newer engine.*m999_from_the_future")],
)  # fmt: skip
def test_a_file_that_is_not_understood_is_refused_and_left_as_it_is(tmp_path: Path, spoil: object, said: str) -> None:
    path = tmp_path / "state.db"
    assert callable(spoil)
    spoil(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(EnvironmentFault, match=said) as caught:
            Store(path)
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(EnvironmentFault, match="cannot open the state"):
        Store(tmp_path / "file" / "state.db")


def test_a_second_run_on_the_same_state_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    from engine import specs

    write_csv(tmp_path / "leads.csv", [("Ada", "Quill", "F", "ada@f.example")])
    spec = specs.load(write_spec(tmp_path))
    with Store(tmp_path / "state.db") as first, Store(tmp_path / "state.db") as second:
        first.database.hold()
        with pytest.raises(EnvironmentFault, match="another run is at work"):
            Run(spec, second, shelf_plugins()).go()
        assert second.runs.last() is None
        first.database.release()
        assert Run(spec, second, shelf_plugins()).go().totals["cleared"] == 1
        assert Run(spec, first, shelf_plugins()).go().this_run["known_rows"] == 1


def test_a_new_file_is_marked_as_ours(store: Store) -> None:
    assert store.database.row("PRAGMA application_id") == (APPLICATION_ID,)


def test_every_table_says_what_it_is_for_and_every_column_that_needs_it(store: Store) -> None:
    rows = store.database.rows(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'"
        " AND name NOT LIKE 'sqlite_%'"
    )
    assert len(rows) >= 10
    bare = []
    for table, sql in rows:
        head, *lines = sql.splitlines()
        if "--" not in head:
            bare.append(table)
        documented = {
            name
            for line in lines
            if (found := re.match(r"\s*(\w+) (INTEGER|TEXT|REAL|BLOB)\b.*--\s*\S", line)) and (name := found[1])
        }
        documented.update(re.findall(r"(\w+) (?:INTEGER|TEXT|REAL|BLOB) /\* \S", sql))  # added by a later migration
        columns = {column for (_, column, *_) in store.database.rows(f"PRAGMA table_info({table})")}
        # What a name already says, or a reference to another table, needs no comment of its own.
        references = {line.split()[0] for line in lines if "REFERENCES" in line}
        plain = {"id", "lead_id", "run_id", "field", "provider", "account", "code", "message", "outcome", "detail",
                 "calls", "program_id", "status", "reason", "stage", "endpoint", "vendor_code", "remote_id",
                 "spec_digest", "matched_by"}  # fmt: skip
        bare += [f"{table}.{column}" for column in sorted(columns - documented - references - plain)]
    assert bare == []


def test_a_new_state_may_be_opened_by_several_processes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.db"
    code = "import sys; from engine.state import Store; Store(sys.argv[1]).close()"
    opening = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(6)]
    assert [process.wait(60) for process in opening] == [0] * 6


def test_processes_that_start_at_once_in_a_new_folder_all_get_the_state(tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=20)

    def opened(number: int) -> str:
        together.wait()
        with Store(tmp_path / f"show {number // 4}" / "states" / "state.db") as found:
            return found.database.path.name

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(opened, range(16))) == {"state.db"}
