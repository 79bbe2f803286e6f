"""Import files: what cells carry, what goes into one file, and what a report says of single rows."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.import_files import Report, count_of, encode, fitting, folded, read_report, row_cells

LARGEST = 100_000


def cells(key, largest=LARGEST, **fields):
    return row_cells("email", key, fields, largest)


def fits(*rows, largest=LARGEST):
    return fitting(((None, row) for row in rows), largest)


VALUES = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.none(), st.lists(st.integers(), max_size=1), st.text(),
    st.sampled_from(['say "hi"', "a,b", "=1+1", "@SUM(A1)", "Zoë ✓", "NULL", " x", "two\nlines", "\ufeffx", "\ud800"]),
)  # fmt: skip
NAMES = st.sampled_from(["firstName", "company", "score", "consent", "boothNotes"])


@given(st.lists(st.dictionaries(NAMES, VALUES), max_size=6))
def test_what_a_file_takes_is_read_back_from_it_as_it_was(records):
    given = [(fields, cells(f"p{number}@example.com", **fields)) for number, fields in enumerate(records)]
    taken = [(fields, row) for fields, row in given if row is not None]
    while taken:
        count = fits(*(row for _, row in taken))
        content = encode([row for _, row in taken[:count]]).decode()
        read = list(csv.DictReader(io.StringIO(content, newline=""), strict=True))
        for row, (fields, sent) in zip(read, taken[:count], strict=True):
            assert row.pop("email") == sent["email"]
            assert set(row) == set(fields)
            for name, value in fields.items():
                text = row[name]
                assert text == text.strip() != "" and text.lower() != "null" and len(text.splitlines()) == 1
                if isinstance(value, bool):
                    assert text == ("true" if value else "false")
                else:
                    assert type(value)(text) == value
        taken = taken[count:]


@pytest.mark.parametrize("value", [None, "", "NULL", "null", " Ada", "two\nlines", "\x00", 1e300, float("nan"), ["a"]])
def test_a_value_that_a_cell_cannot_carry_without_doubt_makes_no_row(value):
    assert cells("ada@example.com", firstName=value) is None


def test_a_row_without_a_key_is_none():
    assert cells("", firstName="Ada") is None


def test_text_that_looks_like_a_formula_is_sent_as_it_is():
    assert encode([cells("ada@example.com", company="=1+1")]) == b"email,company\r\nada@example.com,=1+1\r\n"


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([cells("a@example.com", x="1", y="2"), cells("b@example.com", y="2", x="1")], 2),
        ([cells("a@example.com", x="1"), cells("b@example.com", x="1", y="2")], 1),
        ([cells("a@example.com", x="1"), row_cells("id", "7", {"x": "1"}, LARGEST)], 1),
        ([cells("a@example.com", x="1"), cells("b@example.com", x="1"), cells("A@example.com", x="2")], 2),
        ([row_cells("id", "7", {}, LARGEST), row_cells("id", "007", {}, LARGEST)], 1),
        ([cells("a@example.com", x=None), cells("b@example.com", x="1")], 1),
        ([None, None], 2),
        ([], 0),
    ],
)
def test_a_file_ends_where_the_columns_change_or_a_key_returns(rows, count):
    assert fits(*rows) == count


def test_a_file_ends_where_what_its_rows_have_in_common_changes():
    row = cells("a@example.com", x="1")
    assert (
        fitting([("one", row), ("one", cells("b@example.com", x="1")), ("two", cells("c@example.com", x="1"))], LARGEST)
        == 2
    )


@pytest.mark.parametrize("notes", ["ü" * 499, '"' * 499, "a," * 499])
def test_a_file_is_as_large_as_it_may_be_and_no_larger(notes):
    rows = [cells(f"p{number}@example.com", boothNotes=notes) for number in range(400)]
    count = fits(*rows)
    assert len(encode(rows[:count])) <= LARGEST < len(encode(rows[: count + 1])) + 500


def test_what_is_larger_than_a_file_makes_no_row():
    assert cells("ada@example.com", boothNotes="x" * LARGEST) is None


@pytest.mark.parametrize(
    ("content", "column", "report"),
    [
        (b"", "email", Report()),
        (
            b'email,company,Reason\r\n Ada@Example.com,"Doe, Inc",Invalid data type\r\n\r\n',
            "email",
            Report(("email", "company"), (("ada@example.com", "Invalid data type"),)),
        ),
        (b"\xef\xbb\xbfid,Reason\n007,No, really\n", "id", Report(("id",), (("7", "No, really"),))),
        (b"E-Mail,Reason\r\nada@example.com,x\r\n", "email", None),
        (b"company,email,Reason\r\nDoe\r\n", "email", None),
        (b"email,Reason\r\n" + b"x" * 2_000_000 + b",y\r\n", "email", None),
        (b'{"success":false}', "email", None),
    ],
)
def test_a_report_gives_the_reason_of_each_row_by_its_key(content, column, report):
    assert read_report(content, column) == report


ADA = Report(("email",), (("ada@example.com", "Invalid"),))
KEYS = ["ada@example.com", "bob@example.com"]


@pytest.mark.parametrize(
    ("report", "failed", "done", "complete"),
    [
        (ADA, 1, 1, True),
        (ADA, 1, None, True),
        (ADA, None, None, True),
        (ADA, 1, 2, True),
        (Report(), 0, 2, True),
        (ADA, 2, None, False),
        (ADA, 1, 0, False),
        (Report(), 1, None, False),
        (Report(), 0, 1, False),
        (Report(rows=(("eve@example.com", "Invalid"),)), 1, 1, False),
        (Report(rows=ADA.rows * 2), 2, 0, False),
    ],
)
def test_rows_are_accounted_for_where_the_counts_agree_with_the_report(report, failed, done, complete):
    assert report.accounts_for(KEYS, failed, done) is complete


@pytest.mark.parametrize(("key", "same"), [(" Ada@Example.com ", "ada@example.com"), ("007", "7"), ("0a", "0a")])
def test_keys_are_compared_as_vendors_do(key, same):
    assert folded(key) == same


@pytest.mark.parametrize(("told", "count"), [(3, 3), ("12", 12), (None, None), ("", None), (-1, None), ("x", None)])
def test_a_count_is_read_from_what_a_vendor_tells(told, count):
    assert count_of(told) == count
