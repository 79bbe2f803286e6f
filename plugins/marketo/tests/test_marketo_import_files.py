"""Import files: which deliveries become a row, what goes into one file, and what the reasons of failed rows say.

The rules rest on experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-lead-import
"""

from __future__ import annotations

import pytest
from engine_marketo.import_files import MAX_FILE, lead_cells, member_cells, row_key, wrong_field

from engine.import_files import encode, fitting
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


@pytest.mark.parametrize("value", [None, "", "NULL", "two\nlines", ["a"]])
def test_a_value_that_a_cell_cannot_carry_without_doubt_goes_the_ordinary_way(value):
    assert lead_cells(lead("ada@example.com", firstName=value)) is None


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
    return fitting(((None, lead_cells(delivery)) for delivery in deliveries), MAX_FILE)


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


def test_a_file_stays_below_the_size_that_the_vendor_takes():
    deliveries = [lead(f"p{number}@example.com", boothNotes="ü" * 14_999) for number in range(400)]
    rows = [lead_cells(delivery) for delivery in deliveries]
    count = fits(*deliveries)
    assert len(encode(rows[:count])) <= MAX_FILE < 10_000_000 < len(encode(rows[: count + 1])) + 50_000


def test_what_is_larger_than_a_file_goes_the_ordinary_way():
    assert lead_cells(lead("ada@example.com", boothNotes="x" * MAX_FILE)) is None


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
