"""Capture: rows become leads by identity; every row is accounted for; reading again makes nothing new."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import specs
from engine.adapters import Context
from engine.errors import SpecError
from engine.sources import JsonLinesSource
from engine.stages import reconcile
from engine.state import Store
from tests.unit_helpers import HEADER, adds_up, all_leads, capture, write_csv, write_spec

Spec = Callable[..., specs.Integration]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state" / "state.db") as opened:
        yield opened


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return lambda **changes: specs.load(write_spec(tmp_path, **changes))


@pytest.fixture
def take(tmp_path: Path, store: Store, spec: Spec) -> Callable[..., list[dict[str, Any]]]:
    """Write rows to a file, capture it, and return every lead."""

    def run(rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER, **changes: Any) -> list[dict[str, Any]]:
        capture(store, spec(**changes), write_csv(tmp_path / "leads.csv", rows, header))
        assert adds_up(store.reports.totals("expo"))
        return all_leads(store)

    return run


Take = Callable[..., list[dict[str, Any]]]
ADA = ("Ada", "Quill", "Fernhill", "ada@fernhill.example")

# Identity ------------------------------------------------------------------------------------------------------------


def test_identity_is_the_first_of_remote_id_email_badge_and_name(take: Take) -> None:
    header = (*HEADER, "Badge", "Event", "Lead ID")
    leads = take(
        [
            (*ADA, "7", "Expo", "991"),
            (*ADA, "7", "Expo", ""),
            ("Ada", "Quill", "Fernhill", "", "7", "Expo", ""),
            ("Ada", "Quill", "Fernhill", "", "", "", ""),
        ],
        header,
    )
    assert [lead["key"] for lead in leads] == [
        "id:991", "email:ada@fernhill.example", "badge:expo:7", "name:ada|quill|fernhill",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "written", ["ADA@Fernhill.Example", "  ada@fernhill.example ", "\tada@fernhill.example", "ａda@fernhill.example"]
)
def test_an_address_is_the_same_whatever_its_case_blanks_and_width(take: Take, written: str) -> None:
    (lead,) = take([ADA, ("Ada", "Quill", "Fernhill", written)])
    assert lead["events"] == {"": 2}


def test_something_without_an_at_sign_is_no_identity(take: Take) -> None:
    leads = take([("Ada", "Quill", "Fernhill", "n/a"), ("Bo", "Reed", "Fernhill", "n/a")])
    assert [lead["key"] for lead in leads] == ["name:ada|quill|fernhill", "name:bo|reed|fernhill"]


def test_a_badge_names_a_person_within_its_event_only(take: Take) -> None:
    header = ("First Name", "Last Name", "Company", "Badge", "Event")
    rows = [("Ada", "Q", "F", "12b", "Expo"), ("Bo", "R", "G", "12b", "Summit"), ("Ada", "Q", "F", "12B", "EXPO")]
    leads = take(rows, header)
    assert [lead["key"] for lead in leads] == ["badge:expo:12b", "badge:summit:12b"]
    assert [sum(lead["events"].values()) for lead in leads] == [2, 1]


def test_the_event_of_the_spec_stands_in_for_a_row_without_one(take: Take) -> None:
    (lead,) = take([ADA], source={"use": "csv", "path": "leads.csv", "event": "Expo"})
    assert (lead["events"], lead["fields"]["event"]) == ({"Expo": 1}, "Expo")


def test_identity_can_be_configured(take: Take) -> None:
    rows = [ADA, ("Ada", "Quill", "Fernhill", "other@fernhill.example")]
    assert len(take(rows, identity=["name"])) == 1


def test_a_lead_that_nothing_identifies_is_one_of_its_own(take: Take) -> None:
    leads = take([("Ada", "", "", ""), ("Ada", "", "", ""), ("Bo", "", "", "")])
    assert len(leads) == 3
    assert all(lead["status"] == "failed" and lead["key"].startswith("row:") for lead in leads)


# Capturing again -----------------------------------------------------------------------------------------------------


def test_a_further_capture_counts_a_scan_and_fills_blanks_without_overwriting(
    take: Take, store: Store, tmp_path: Path, spec: Spec
) -> None:
    header = (*HEADER, "Title", "Phone")
    take([(*ADA, "", "+1 555 0100")], header)
    second = write_csv(tmp_path / "second.csv", [("A.", "Quill", "Fern", ADA[3], "Buyer", "+1 555 0199")], header)
    capture(store, spec(), second)
    (lead,) = all_leads(store)
    assert lead["fields"]["job_title"] == "Buyer"
    assert lead["fields"]["first_name"] == "Ada"
    assert lead["fields"]["phone"] == "+1 555 0100"
    assert sum(lead["events"].values()) == 2
    assert [(row["source"], row["line"]) for row in lead["captures"]] == [("leads.csv", 2), ("second.csv", 2)]
    assert store.reports.totals("expo") == {
        "captured": 2, "duplicate": 1, "presync": 1, "frozen": 0, "cleared": 0, "failed": 0, "ignored": 0,
        "suppressed": 0,
    }  # fmt: skip


def test_the_newest_answer_to_a_qualifier_wins_and_others_stay(take: Take) -> None:
    qualifiers = {"Heat": "Heat", "Wants": {"column": "Wants", "separator": ";"}}
    (lead,) = take(
        [(*ADA, "Cold", "Pumps; Valves ;"), (*ADA, "Hot", "")],
        (*HEADER, "Heat", "Wants"),
        source={"use": "csv", "path": "leads.csv", "qualifiers": qualifiers},
    )
    assert lead["qualifiers"] == {"Heat": "Hot", "Wants": ["Pumps", "Valves"]}


def test_the_same_row_twice_in_one_file_is_a_second_scan(take: Take, store: Store) -> None:
    (lead,) = take([ADA, ADA, ADA])
    assert sum(lead["events"].values()) == 3
    assert store.reports.totals("expo")["duplicate"] == 2


def test_reading_a_file_again_makes_nothing_new_and_an_appended_row_is_added(
    store: Store, tmp_path: Path, spec: Spec
) -> None:
    path = write_csv(tmp_path / "leads.csv", [ADA, ADA, ("Bo", "Reed", "Gantry", "bo@gantry.example")])
    first = capture(store, spec(), path)
    before = all_leads(store)
    again = capture(store, spec(), path)
    assert (first.tallies.rows, first.tallies.known_rows, first.tallies.captured) == (3, 0, 3)
    assert (again.tallies.rows, again.tallies.known_rows, again.tallies.captured) == (3, 3, 0)
    assert all_leads(store) == before
    with path.open("a", encoding="utf-8") as handle:
        handle.write(f"{','.join(ADA)}\r\nCy,Stone,Gantry,cy@gantry.example\r\n")
    appended = capture(store, spec(), path)
    assert (appended.tallies.known_rows, appended.tallies.captured) == (3, 2)
    assert [sum(lead["events"].values()) for lead in all_leads(store)] == [3, 1, 1]


def test_two_integrations_on_one_state_keep_their_leads_apart(store: Store, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "leads.csv", [ADA])
    for name in ("one", "two"):
        capture(store, specs.load(write_spec(tmp_path, f"{name}.yaml", name=name)), path)
    assert [store.reports.totals(name)["captured"] for name in ("one", "two")] == [1, 1]


# What cannot go on ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "lacks"),
    [
        (("", "Quill", "Fernhill", "x@fernhill.example"), "first_name"),
        (("Ada", " ", "Fernhill", "x@fernhill.example"), "last_name"),
        (("Ada", "", "", "x@fernhill.example"), "last_name,company"),
    ],
)
def test_a_missing_required_value_is_a_failure_with_file_and_line(
    take: Take, store: Store, row: tuple[str, ...], lacks: str
) -> None:
    take([ADA, row])
    (failed,) = store.reports.failed("expo")
    assert (failed["code"], failed["field"], failed["captured_at"]) == ("MISSING_REQUIRED_VALUE", lacks, "leads.csv:3")
    assert "leads.csv:3" in failed["message"]
    (group,) = reconcile.groups(store, "expo")
    assert (group.code.owner, group.code.retryable, group.leads) == ("you", False, 1)


def test_a_later_capture_completes_a_lead_and_lets_it_go_on(
    take: Take, store: Store, tmp_path: Path, spec: Spec
) -> None:
    (lead,) = take([("Ada", "Quill", "", ADA[3])])
    assert lead["status"] == "failed"
    capture(store, spec(), write_csv(tmp_path / "second.csv", [ADA]), now=2_000.0)
    (lead,) = all_leads(store)
    assert (lead["status"], lead["fields"]["company"]) == ("enriched", "Fernhill")
    assert [failure["resolved_at"] for failure in lead["failures"]] == [2_000.0]
    assert store.reports.groups("expo") == []


def test_completing_within_one_file_is_no_failure_at_all(take: Take, store: Store) -> None:
    (lead,) = take([("Ada", "", "", ADA[3]), ADA])
    assert (lead["status"], lead["failures"]) == ("enriched", [])


def test_a_row_that_cannot_be_read_is_a_failure_and_the_others_go_on(store: Store, tmp_path: Path, spec: Spec) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(f"{','.join(HEADER)}\n{','.join(ADA)},too,many\nBo\x81,Reed,Gantry,bo@gantry.example\n".encode(
        "latin-1") + b"Cy,Stone,Gantry,cy@gantry.example\n")  # fmt: skip
    capture(store, spec(), path)
    failed = store.reports.failed("expo")
    assert [(lead["code"], lead["captured_at"]) for lead in failed] == [
        ("UNREADABLE_ROW", "leads.csv:2"),
        ("UNREADABLE_ROW", "leads.csv:3"),
    ]
    assert all_leads(store)[0]["captures"][0]["raw"]["extra 1"] == "too", "the row is kept as it was read"
    assert store.reports.totals("expo")["presync"] == 1
    left = reconcile.retry(store, spec(), failed, 0.0).left
    assert len(left) == 2 and "correct it in the source" in left[0][1]


def test_what_is_required_can_be_configured(take: Take) -> None:
    (lead,) = take([("", "", "", ADA[3])], required=["email"])
    assert lead["status"] == "enriched"


def test_a_suppressed_person_is_never_captured_again(take: Take, store: Store) -> None:
    from engine.stages.capture import suppression_digest

    with store.database.transaction() as db:
        db.execute("INSERT INTO suppressions VALUES (?, 'asked for it', 0)", [suppression_digest(ADA[3])])
    leads = take([("Ada", "Quill", "Fernhill", ADA[3].upper()), ("Bo", "Reed", "Gantry", "bo@gantry.example")])
    assert [lead["status"] for lead in leads] == ["suppressed", "enriched"]


# Columns -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "field"),
    [("E-Mail", "email"), ("Email Address", "email"), ("SURNAME", "last_name"), ("Organisation", "company"),
     ("badge_id", "badge_id"), ("Zip Code", "postal_code"), ("Mobile", "mobile_phone")],
)  # fmt: skip
def test_usual_column_names_are_recognised(take: Take, column: str, field: str) -> None:
    (lead,) = take([("12@x.example",)], (column,), required=[])
    assert lead["fields"] == {field: "12@x.example"}


def test_the_profile_decides_before_recognition_does(take: Take) -> None:
    source = {"use": "csv", "path": "leads.csv", "columns": {"Mail (work)": "email", "Email": "backup", "Hall": "hall"}}
    (lead,) = take([(*ADA, "ada@work.example", "3")], (*HEADER, "Mail (work)", "Hall"), source=source)
    assert lead["fields"]["email"] == "ada@work.example"
    assert (lead["fields"]["backup"], lead["fields"]["hall"]) == (ADA[3], "3")


@pytest.mark.parametrize(
    "profile", [{"columns": {"Emial": "email"}}, {"qualifiers": {"Heat": {"column": "Emial", "separator": ";"}}}]
)
def test_a_column_that_is_not_there_is_a_spec_error_with_a_suggestion(take: Take, profile: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"no column 'Emial'") as caught:
        take([ADA], source={"use": "csv", "path": "leads.csv", **profile})
    assert "Did you mean 'Email'?" in caught.value.fix
    assert "First Name, Last Name, Company, Email" in caught.value.why


def test_json_lines_may_have_different_keys_in_each_row(store: Store, tmp_path: Path, spec: Spec) -> None:
    (tmp_path / "leads.jsonl").write_text(
        '{"firstName": "Ada", "lastName": "Quill", "company": "F", "email": "a@f.example"}\n'
        '{"email": "a@f.example", "title": "Buyer"}\n{"surname": "Reed", "company": "G", "mail": "b@g.example"}\n',
        "utf-8",
    )
    capture(store, spec(), JsonLinesSource({"path": "leads.jsonl"}, Context(folder=tmp_path)))
    ada, reed = all_leads(store)
    assert ada["fields"]["job_title"] == "Buyer"
    assert (reed["fields"]["last_name"], reed["status"]) == ("Reed", "failed")
