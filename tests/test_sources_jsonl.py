"""JSON Lines, from a file and from standard input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.adapters import Context
from engine.records import RawLead
from engine.sources import JsonLinesSource

Read = Callable[[bytes], list[RawLead]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(content: bytes) -> list[RawLead]:
        (tmp_path / "leads.jsonl").write_bytes(content)
        source = JsonLinesSource({"path": "leads.jsonl"}, Context(folder=tmp_path))
        try:
            assert source.columns() == ()
            return list(source.rows())
        finally:
            source.close()

    return run


def test_values_become_text(read: Read) -> None:
    (row,) = read(b'{"a": "x", "n": 7, "yes": true, "none": null, "list": ["p", 2], "deep": {"k": [1]}, "l": [{}]}\n')
    assert dict(row.values) == {
        "a": "x", "n": "7", "yes": "true", "none": "", "list": "p;2", "deep": '{"k":[1]}', "l": "[{}]",
    }  # fmt: skip


def test_bad_lines_are_problems_that_keep_their_text_and_good_ones_go_on(read: Read) -> None:
    rows = read(b'{"a": "1"}\nnot json\n\n[1, 2]\n"text"\n{"a": "2"')
    assert [(row.line, bool(row.problem)) for row in rows] == [(1, False), (2, True), (4, True), (5, True), (6, True)]
    assert rows[1].values[""] == "not json"
    assert "object" in rows[2].problem
    assert rows[4].values[""] == '{"a": "2"'


def test_cp1252_lines_are_repaired_and_undefined_bytes_are_problems(read: Read) -> None:
    rows = read('{"a": "Zoë"}\n'.encode("cp1252") + b'{"a": "x\x81"}\n{"a": "fine"}\n')
    assert rows[0].values["a"] == "Zoë"
    assert "0x81" in rows[1].problem
    assert [row.problem for row in (rows[0], rows[2])] == ["", ""]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9)), max_size=6))
def test_objects_of_texts_are_read_back(read: Read, objects: list[dict[str, str]]) -> None:
    rows = read(b"".join(orjson.dumps(item) + b"\n" for item in objects))
    assert [dict(row.values) for row in rows] == objects


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120))
def test_each_line_that_is_not_blank_is_one_row(read: Read, content: bytes) -> None:
    content = b"{}\n" + content.replace(b"\x00", b"")
    rows = read(content)
    assert len(rows) == sum(1 for line in content.split(b"\n") if line.strip(b"\r\t "))


@pytest.mark.parametrize(
    ("use", "given_", "expected"),
    [
        ("JsonLinesSource", '{"a": "é"}\n[]\n', [[1, {"a": "é"}, ""], [2, {"": "[]"}, "the line is no JSON object"]]),
        ("CsvSource", "a;b\né;2\n", [[2, {"a": "é", "b": "2"}, ""]]),
    ],
)
def test_standard_input_is_read_as_a_stream(use: str, given_: str, expected: list[object]) -> None:
    script = (
        "import orjson, sys\nfrom engine import sources\nfrom engine.adapters import Context\n"
        f"source = sources.{use}({{'path': '-'}}, Context())\n"
        "rows = [[row.line, dict(row.values), row.problem] for row in source.rows()]\n"
        "sys.stdout.buffer.write(orjson.dumps([source.label, source.progress(), rows]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=given_.encode(), capture_output=True, check=True, timeout=30
    )
    assert orjson.loads(done.stdout) == ["standard input", None, expected]
