"""Delimited text: every row is read as the cells it holds, or yielded with what is wrong with it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.adapters import Context
from engine.errors import SpecError
from engine.records import RawLead
from engine.sources import MAX_CELL, CsvSource

Read = Callable[..., tuple[CsvSource, list[RawLead]]]

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write bytes to a file and read it as CSV."""

    def run(content: bytes | str, **config: str) -> tuple[CsvSource, list[RawLead]]:
        (tmp_path / "leads.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        source = CsvSource({"path": "leads.csv", **config}, Context(folder=tmp_path))
        try:
            return source, list(source.rows())
        finally:
            source.close()

    return run


@pytest.mark.parametrize(
    ("encoding", "mark", "noted"),
    [
        ("utf-8", b"", "encoding utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "encoding utf-8 with BOM"),
        ("utf-16-le", b"\xff\xfe", "encoding utf-16"),
        ("utf-16-be", b"\xfe\xff", "encoding utf-16"),
        ("utf-16-le", b"", "encoding utf-16-le"),
        ("utf-16-be", b"", "encoding utf-16-be"),
        ("utf-32-le", b"\xff\xfe\x00\x00", "encoding utf-32"),
    ],
)
def test_each_encoding_is_detected(read: Read, encoding: str, mark: bytes, noted: str) -> None:
    source, rows = read(mark + "Name,City\r\nJosé,Øster Bråby\r\nAda,東京\r\n".encode(encoding))
    assert [dict(row.values) for row in rows] == [
        {"Name": "José", "City": "Øster Bråby"},
        {"Name": "Ada", "City": "東京"},
    ]
    assert not any(row.problem for row in rows)
    assert source.notes()[0] == noted


def test_lines_in_cp1252_within_utf8_are_repaired_and_counted(read: Read) -> None:
    body = b"Name\n" + "José\n".encode() + "Zoë\n".encode("cp1252") + "Łukasz\n".encode() + b"\x80uro\n"
    source, rows = read(body)
    assert [row.values["Name"] for row in rows] == ["José", "Zoë", "Łukasz", "€uro"]
    assert "2 lines read as cp1252" in source.notes()


def test_a_byte_of_no_encoding_makes_only_its_own_row_a_problem(read: Read) -> None:
    _, rows = read(b"Name,City\nAda,Rome\nBo\x81,Oslo\nCy,Bonn\n")
    assert [bool(row.problem) for row in rows] == [False, True, False]
    assert rows[1].line == 3
    assert "0x81" in rows[1].problem
    assert rows[1].values["City"] == "Oslo"


def test_an_undefined_byte_inside_a_quoted_newline_is_found(read: Read) -> None:
    _, rows = read(b'Name,Notes\nAda,"one\ntwo \x8d\nthree"\nBo,fine\n')
    assert [row.line for row in rows] == [2, 5]
    assert "0x8d" in rows[0].problem
    assert rows[1].problem == ""


@pytest.mark.parametrize(("mark", "name"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_the_delimiter_is_detected_outside_quotes(read: Read, mark: str, name: str) -> None:
    source, rows = read(f'"a,;|{mark}x"{mark}b{mark}c\n1{mark}2{mark}3\n')
    assert list(rows[0].values.values()) == ["1", "2", "3"]
    assert f"delimiter {name}" in source.notes()


def test_a_given_delimiter_and_encoding_are_obeyed(read: Read) -> None:
    _, rows = read("a:b,c\nä:2,3\n".encode("latin-1"), delimiter=":", encoding="latin-1")
    assert dict(rows[0].values) == {"a": "ä", "b,c": "2,3"}


def test_an_encoding_that_does_not_exist_is_a_spec_error(read: Read) -> None:
    with pytest.raises(SpecError, match="klingon"):
        read("a,b\n1,2\n", encoding="klingon")


def test_quoted_newlines_keep_the_first_line_number(read: Read) -> None:
    _, rows = read('Name,Notes\r\nAda,"one\r\ntwo"\r\nBo,x\r\n\r\n\r\nCy,"a ""b"" c"\r\n')
    assert [row.line for row in rows] == [2, 4, 7]
    assert rows[0].values["Notes"] == "one\r\ntwo"
    assert rows[2].values["Notes"] == 'a "b" c'
    assert not any(row.problem for row in rows)


def test_a_short_row_is_fine_and_a_long_row_is_a_problem_that_keeps_its_cells(read: Read) -> None:
    _, rows = read("a,b,c\n1\n1,2,3,4,5\n1,2,3,,\n")
    assert dict(rows[0].values) == {"a": "1"}
    assert rows[0].problem == ""
    assert "5 cells" in rows[1].problem and "3" in rows[1].problem
    assert dict(rows[1].values) == {"a": "1", "b": "2", "c": "3", "extra 1": "4", "extra 2": "5"}
    assert rows[2].problem == "", "delimiters at the end of a line say nothing"


def test_repeated_and_empty_column_names_get_a_number(read: Read) -> None:
    source, rows = read("Name,,Name,\nAda,1,Bo,2\n")
    assert list(source.columns()) == ["Name", "column 2", "Name (2)", "column 4"]
    assert list(rows[0].values.values()) == ["Ada", "1", "Bo", "2"]
    assert any("Name (2)" in note for note in source.notes())


@pytest.mark.parametrize("content", [b"", b"\n\r\n\n", b"\xef\xbb\xbf", b" \n,,,\n"])
def test_an_empty_file_has_no_columns_and_says_so(read: Read, content: bytes) -> None:
    source, rows = read(content)
    assert (list(source.columns()), rows) == ([], [])
    assert "the file is empty" in source.notes()


def test_a_file_of_a_header_alone_has_columns_and_no_rows(read: Read) -> None:
    source, rows = read("Name,City")
    assert (list(source.columns()), rows) == (["Name", "City"], [])


def test_blank_lines_are_no_rows_before_and_after_the_header(read: Read) -> None:
    _, rows = read("\n\nName,City\n\nAda,Rome\n   \n,,,\n\n")
    assert [(row.line, row.values.get("Name", "").strip()) for row in rows if any(map(str.strip, row.values.values()))
            ] == [(5, "Ada")]  # fmt: skip


@pytest.mark.parametrize("ending", ["", "\n", "\nCy,Bonn\nDi,Kyiv\n"])
def test_an_unclosed_quote_loses_nothing_and_is_a_problem(read: Read, ending: str) -> None:
    _, rows = read(f'Name,City\nAda,Rome\nBo,"Oslo{ending}')
    assert rows[0].problem == ""
    assert "quote" in rows[1].problem
    assert rows[1].line == 3
    assert "Oslo" + ending == rows[1].values["City"]


def test_a_quote_that_the_header_never_closes_is_not_a_file_without_rows(read: Read) -> None:
    with pytest.raises(SpecError, match="quote"):
        read('Name,"City\nAda,Rome\nBo,Oslo\n')


def test_a_stray_quote_inside_a_cell_is_part_of_it(read: Read) -> None:
    _, rows = read('Name,Size\nAda,19" rack\n')
    assert (rows[0].values["Size"], rows[0].problem) == ('19" rack', "")


def test_a_huge_cell_is_a_problem_and_the_rows_around_it_are_read(read: Read) -> None:
    _, rows = read(f"Name,Notes\nAda,x\nBo,{'y' * (MAX_CELL + 1)}\nCy,z\n")
    assert [bool(row.problem) for row in rows] == [False, True, False]
    assert len(rows[1].values[""]) > MAX_CELL
    assert rows[2].values["Name"] == "Cy"
    assert rows[2].line == 4


def test_old_mac_line_ends_are_refused_with_a_reason(read: Read) -> None:
    with pytest.raises(SpecError, match="header"):
        read("Name,City\rAda,Rome\r")


def test_a_file_that_is_not_there_is_a_spec_error_naming_it(tmp_path: Path) -> None:
    source = CsvSource({"path": "nowhere.csv"}, Context(folder=tmp_path))
    with pytest.raises(SpecError, match=r"nowhere\.csv.*No such file"):
        source.columns()


def test_progress_ends_at_the_size_of_the_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_text("a,b\n" + "1,2\n" * 1000, "utf-8")
    source = CsvSource({"path": "big.csv"}, Context(folder=tmp_path))
    for _ in source.rows():
        pass
    assert source.progress() == (4004, 4004)
    source.close()


_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 5))
    return draw(st.lists(st.lists(_TEXT, min_size=width, max_size=width), max_size=8))


@quick
@given(table=tables(), delimiter=st.sampled_from(",;\t|"), encoding=st.sampled_from(["utf-8-sig", "utf-8", "utf-16"]))
@example(table=[["\r", "\n"], ["", ""], ['"', "\u2028"]], delimiter=",", encoding="utf-8")
def test_what_a_csv_writer_wrote_is_read_back_cell_by_cell(
    read: Read, table: list[list[str]], delimiter: str, encoding: str
) -> None:
    header = [f"column{index}" for index in range(len(table[0]) if table else 2)]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([header, *table])
    _, rows = read(out.getvalue().encode(encoding), delimiter=delimiter)
    assert [list(row.values.values()) for row in rows] == table
    assert not any(row.problem for row in rows)


@quick
@given(body=st.lists(st.sampled_from([b"a", b"Z", b"7", b",", b'"', b"\n", b"\r\n", b"\r", b"\xe9", b"\x81", b" "]) |
                     st.binary(max_size=6).map(lambda some: some.replace(b"\0", b"")), max_size=60))  # fmt: skip
@example(body=[b'x,"y\n', b"z\n"])
def test_whatever_the_bytes_no_character_and_no_row_is_lost(read: Read, body: list[bytes]) -> None:
    content = b"".join(body)
    _, rows = read(b"first,second\n" + content)
    given_ = Counter(chr(byte) for byte in content if chr(byte).isascii() and chr(byte).isalnum())
    kept = "".join("".join(row.values.values()) for row in rows)
    assert Counter(letter for letter in kept if letter.isascii() and letter.isalnum()) == given_
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    if b'"' not in content:
        filled = [line for line in content.split(b"\n") if line.strip(b"\r, ")]
        touched = [line for line in content.split(b"\n") if line.strip(b"\r")]
        assert len(filled) <= len(rows) <= len(touched)


@quick
@given(content=st.binary(max_size=200))
@example(content=b'a"b\r,\xff\x00')
def test_arbitrary_bytes_are_read_or_refused_as_a_spec_error(read: Read, content: bytes) -> None:
    try:
        source, rows = read(content)
    except SpecError as error:
        assert "header" in str(error)
        return
    assert all(row.line >= 1 for row in rows)
    assert source.notes()
