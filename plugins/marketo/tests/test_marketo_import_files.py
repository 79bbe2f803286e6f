"""Import files: what cells carry, what goes into one file, and what the files of failed rows say.

The rules rest on experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-lead-import
"""

from __future__ import annotations

import csv
import io

import pytest
from engine_marketo.import_files import (
    MAX_FILE,
    Report,
    encode,
    fitting,
    lead_cells,
    member_cells,
    read_report,
    row_key,
    wrong_field,
)
from hypothesis import given
from hypothesis import strategies as st

from engine.records import Decision, Delivery, Field, Membership

EXPO = Membership("1107", "Registered")
FIELDS = (
    Field("email", "email", "Email Address"),
    Field("leadScore", "integer", "Lead Score"),
    Field("lead", "string", "Lead"),
    Field("rating", "string", "Rating"),
    Field("leadRating", "string", "Rating"),
)


def lead(email: str, **fields: object) -> Delivery:
    return Delivery(1, Decision("email", email), fields)


def parsed(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


VALUES = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.none(), st.lists(st.integers(), max_size=1), st.text(),
    st.sampled_from(['say "hi"', "a,b", "=1+1", "@SUM(A1)", "Zoë ✓", "NULL", " x", "two\nlines", "\ufeffx", "\ud800"]),
)  # fmt: skip
NAMES = st.sampled_from(["firstName", "company", "leadScore", "consentGiven", "boothNotes"])


@given(st.lists(st.dictionaries(NAMES, VALUES), max_size=6))
def test_what_a_file_takes_is_read_back_from_it_as_it_was(records):
    deliveries = [lead(f"p{number}@example.com", **fields) for number, fields in enumerate(records)]
    taken = [delivery for delivery in deliveries if lead_cells(delivery) is not None]
    while taken:
        count = fitting((None, lead_cells(delivery)) for delivery in taken)
        rows = parsed(encode([lead_cells(delivery) for delivery in taken[:count]]))
        for row, delivery in zip(rows, taken[:count], strict=True):
            assert row.pop("email") == delivery.decision.value
            assert list(row) == list(delivery.fields) or set(row) == set(delivery.fields)
            for name, value in delivery.fields.items():
                text = row[name]
                assert text == text.strip() != "" and text.lower() != "null" and len(text.splitlines()) == 1
                if isinstance(value, bool):
                    assert text == ("true" if value else "false")
                else:
                    assert type(value)(text) == value
        taken = taken[count:]


@pytest.mark.parametrize("value", [None, "", "NULL", "null", " Ada", "two\nlines", "\x00", 1e300, float("nan"), ["a"]])
def test_a_value_that_a_cell_cannot_carry_without_doubt_goes_the_ordinary_way(value):
    assert lead_cells(lead("ada@example.com", firstName=value)) is None


def test_text_that_looks_like_a_formula_is_sent_as_it_is():
    assert encode([lead_cells(lead("ada@example.com", company="=1+1"))]) == b"email,company\r\nada@example.com,=1+1\r\n"


@pytest.mark.parametrize(
    ("decision", "row"),
    [
        (Decision("email", " ada@example.com"), {"email": "ada@example.com", "title": "CTO"}),
        (Decision("email", ""), None),
        (Decision("email", "ada@example.com", "create_only"), None),
        (Decision("email", "ada@example.com", "update_only"), None),
        (Decision("email", "ada@example.com", duplicates="most_recent"), None),
        (Decision("lead_id", "0017"), {"id": "17", "title": "CTO"}),
        (Decision("lead_id", "17", "update_only"), {"id": "17", "title": "CTO"}),
        (Decision("lead_id", "17", update_email=True), {"id": "17", "title": "CTO", "email": "new@example.com"}),
        (Decision("lead_id", "17", "create_only"), None),
        (Decision("lead_id", "00Q-12"), None),
        (Decision("badgeId", "B-1"), None),
    ],
)
def test_an_import_takes_what_it_would_write_as_the_decision_means_it(decision, row):
    assert lead_cells(Delivery(1, decision, {"title": "CTO", "email": "new@example.com"})) == row


@pytest.mark.parametrize(
    ("delivery", "place", "row"),
    [
        (lead("a@example.com"), Membership("1107", "Member", {"rating": 4}), {"email": "a@example.com", "rating": "4"}),
        (lead("a@example.com"), Membership("1107", "Member", {"rating": None}), None),
        (lead("a@example.com"), Membership("1107"), None),
        (lead("a@example.com"), Membership("X-1", "Member"), None),
        (lead("a@example.com"), Membership("1001", kind="list"), None),
        (Delivery(1, Decision("lead_id", "17"), {"email": "a@example.com"}), EXPO, None),
    ],
)
def test_members_are_imported_by_the_address_that_they_were_written_by(delivery, place, row):
    assert member_cells(delivery, place) == row


def fits(*deliveries: Delivery) -> int:
    return fitting((None, lead_cells(delivery)) for delivery in deliveries)


@pytest.mark.parametrize(
    ("deliveries", "count"),
    [
        ([lead("a@example.com", x="1", y="2"), lead("b@example.com", y="2", x="1")], 2),
        ([lead("a@example.com", x="1"), lead("b@example.com", x="1", y="2")], 1),
        ([lead("a@example.com", x="1"), Delivery(2, Decision("lead_id", "7"), {"x": "1"})], 1),
        ([lead("a@example.com", x="1"), lead("b@example.com", x="1"), lead("A@example.com ", x="2")], 2),
        ([lead("a@example.com", x=None), lead("b@example.com", x="1")], 1),
        ([], 0),
    ],
)
def test_a_file_ends_where_the_columns_change_or_a_key_returns(deliveries, count):
    assert fits(*deliveries) == count


@pytest.mark.parametrize("notes", ["ü" * 14_999, '"' * 14_999, "a," * 14_999])
def test_a_file_stays_below_the_size_that_the_vendor_takes(notes):
    deliveries = [lead(f"p{number}@example.com", boothNotes=notes) for number in range(400)]
    rows = [lead_cells(delivery) for delivery in deliveries]
    count = fits(*deliveries)
    assert len(encode(rows[:count])) <= MAX_FILE < len(encode(rows[: count + 1])) + 10_000


def test_what_is_larger_than_a_file_goes_the_ordinary_way():
    assert lead_cells(lead("ada@example.com", boothNotes="x" * MAX_FILE)) is None


@pytest.mark.parametrize(
    ("content", "column", "report"),
    [
        (b"", "email", Report()),
        (
            b'email,company,Import Failure Reason\r\n Ada@Example.com,"Doe, Inc",Invalid data type\r\n\r\n',
            "email",
            Report(("email", "company"), (("ada@example.com", "Invalid data type"),)),
        ),
        (b"\xef\xbb\xbfid,Reason\n007,No, really\n", "id", Report(("id",), (("7", "No, really"),))),
        (b"E-Mail,Import Failure Reason\r\nada@example.com,x\r\n", "email", None),
        (b"company,email,Import Failure Reason\r\nDoe\r\n", "email", None),
        (b"email,Reason\r\n" + b"x" * 2_000_000 + b",y\r\n", "email", None),
        (b'{"success":false}', "email", None),
    ],
)
def test_a_report_gives_the_reason_of_each_row_by_its_key(content, column, report):
    assert read_report(content, column) == report


def test_rows_are_known_by_the_key_of_their_file():
    by_id = Delivery(1, Decision("lead_id", "007"), {})
    assert [row_key(lead("Ada@example.com "), "email"), row_key(by_id, "id")] == ["ada@example.com", "7"]
    assert row_key(by_id, "email") == ""


@pytest.mark.parametrize(
    ("reason", "field"),
    [
        ("Invalid data type in field Lead Score", "leadScore"),
        ("invalid data type in field 'lead score': high", "leadScore"),
        ("Value too long for field leadScore.", "leadScore"),
        ("Invalid data in field Lead", "lead"),
        ("Invalid data in field Leads", ""),
        ("Invalid data in field Email Address", "email"),
        ("Invalid data in field Rating", "rating"),
        ("Invalid data in field Twitter", ""),
        ("Lead Score is odd", ""),
        ("Lead not found", ""),
        ("Could not match field Lead Score", ""),
    ],
)
def test_a_reason_that_names_a_field_and_its_fault_is_understood(reason, field):
    assert wrong_field(reason, ("email", "leadScore", "lead", "rating"), FIELDS) == field


def test_a_display_name_that_two_columns_share_names_neither():
    assert wrong_field("Invalid data in field Rating", ("rating", "leadRating"), FIELDS) == ""
