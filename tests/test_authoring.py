"""What init makes of columns and of the vendor's fields, and that whatever it writes can be read."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import specs
from engine.authoring.content import Content, content
from engine.authoring.guesses import Guess
from engine.authoring.project import write_project
from engine.authoring.rows import propose
from engine.authoring.words import meant_by
from engine.check import check
from engine.errors import SpecError
from engine.plugins import Plugins
from engine.records import Field
from engine.sample_runs import try_paths
from tests.authoring_helpers import COLUMNS, guessed, proposal

MAILS = ["ada@fernhill.example", "bo@gantry.example", "cy@osprey.example", "di@osprey.example"]
PHONES = ["+44 20 7946 0000", "(020) 7946 0001", "020 7946-0002", "+44 20 7946 0003"]
YES_NO = ["yes", "no", "yes", "yes"]


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("First Name", "first_name"), ("attendee_fname", "first_name"), ("Vorname", "first_name"),
        ("prénom", "first_name"), ("Fornavn", "first_name"), ("voornaam", "first_name"), ("Nombre", "first_name"),
        ("Nachname", "last_name"), ("Nom", "last_name"), ("Apellidos", "last_name"), ("Etternavn", "last_name"),
        ("Achternaam", "last_name"), ("Firma", "company"), ("Société", "company"), ("Empresa", "company"),
        ("Bedrijf", "company"), ("Raison sociale", "company"), ("E-Mail-Adresse", "email"), ("Courriel", "email"),
        ("Correo electrónico", "email"), ("E-post", "email"), ("Emial Adress", "email"), ("PLZ", "postal_code"),
        ("Straße", "address"), ("Land", "country"), ("País", "country"), ("Postnummer", "postal_code"),
        ("Número de teléfono", "phone"), ("Tlf", "phone"), ("Handynummer", "mobile_phone"), ("Møvil", "mobile_phone"),
        ("Job Titel", "job_title"), ("Stilling", "job_title"), ("Attendee First Name", "first_name"),
        ("Anzahl Mitarbeiter", "company_size"), ("Scan Zeitpunkt", "captured_at"), ("Bemerkungen", "notes"),
        ("LinkedIn profile", "linkedin_url"), ("Company phone", "company_phone"), ("Badge #", "badge_id"),
    ],
)  # fmt: skip
def test_columns_are_told_by_their_names_in_several_languages(column: str, field: str) -> None:
    found = meant_by(column)
    assert found is not None
    assert (found[0], found[1] >= 0.6) == (field, True)


def test_a_name_that_what_is_there_contradicts_counts_for_nothing(plugins: Plugins) -> None:
    found = guessed(plugins, {"Email sent": YES_NO, "Phone": MAILS, "Title": ["Mr", "Mrs", "Mr", "Dr"], "X": PHONES})
    assert found["Email sent"].use == "qualifier"
    assert [found[name].field for name in ("Phone", "Title", "X")] == ["email", "salutation", "phone"]
    assert "email addresses" in found["Phone"].reason


def test_no_lead_field_is_given_twice_and_the_surest_column_has_it(plugins: Plugins) -> None:
    found = guessed(plugins, {"Second mail": MAILS, "Email": MAILS, "Email (2)": MAILS})
    assert found["Email"].field == "email"
    own = [found["Second mail"], found["Email (2)"]]
    assert {guess.use for guess in own} == {"own"}
    assert len({guess.field for guess in found.values()}) == 3


def test_questions_are_told_by_their_answers_and_what_stands_between_several(plugins: Plugins) -> None:
    found = guessed(plugins, {
        "Temp": ["Hot", "Warm", "Hot", "Cold", "Warm", "Cold"],
        "Wants": ["Pumps; Valves", "Pumps", "Valves", "Pumps;Valves"],
        "Free": [f"Somebody said number {number}" for number in range(6)], "Leer": ["", "", "", ""],
    })  # fmt: skip
    assert found["Temp"].use == "qualifier"
    assert set(found["Temp"].content.answers) == {"Hot", "Warm", "Cold"}
    assert (found["Wants"].content.separator, set(found["Wants"].content.answers)) == (";", {"Pumps", "Valves"})
    assert found["Free"].use == "own"
    assert found["Leer"].use == "out"


def test_a_few_names_of_colleagues_are_no_answers_to_be_written_down(plugins: Plugins) -> None:
    found = guessed(
        plugins, {"Betreuer": ["Mika Lund", "Noor Aziz", "Mika Lund", "Noor Aziz", "Mika Lund", "Noor Aziz"]}
    )
    assert found["Betreuer"].use != "qualifier"
    assert not found["Betreuer"].content.answers


@pytest.mark.parametrize(
    ("cells", "kind", "forms"),
    [
        (["2026-05-12", "2026-01-31"], "date", ()),
        (["2026-05-12T10:00:00Z"], "datetime", ()),
        (["31.12.2026", "01.02.2026"], "date", ("%d.%m.%Y",)),
        (["01/02/2026", "03/04/2026"], "date", ("%d/%m/%Y", "%m/%d/%Y")),
        (["12/31/2026 2:30 PM"], "datetime", ("%m/%d/%Y %I:%M %p",)),
        (["1001-5000", "11-50"], "code", ()),
        (["x", "", "x"], "yes_no", ()),
        (["www.fernhill.example", "https://gantry.example/x"], "url", ()),
        (["https://www.linkedin.com/in/nobody-0"], "linkedin", ()),
        (["SW1A 1AA", "M1 1AE"], "postal", ()),
    ],
)
def test_what_a_column_holds_is_seen(cells: list[str], kind: str, forms: tuple[str, ...]) -> None:
    found = content(cells, lambda value: False)
    assert (found.kind, found.forms) == (kind, forms)


def own(column: str, held: Content) -> Guess:
    return Guess(column, "own", held, "own_field")


def test_rows_go_only_to_fields_that_take_what_the_column_holds(plugins: Plugins) -> None:
    vendor = plugins.vendor("marketo")
    texts = Content("text", 1.0, 4)
    dates = Content("date", 1.0, 4, forms=("%d.%m.%Y",))
    fields = [Field("email", "email"), Field("eventScore", "integer"), Field("visitDay", "date", "Visit day"),
              Field("followUp", "boolean"), Field("locked", writable=False)]  # fmt: skip
    for column, held, target in [
        ("Event score", texts, ""), ("Visit Day", dates, "visitDay"), ("Visit Day", texts, ""), ("locked", texts, ""),
        ("Event score", Content("integer", 1.0, 4), "eventScore"), ("Event score", Content("integer", 0.9, 9), ""),
    ]:  # fmt: skip
        (row,) = propose([own(column, held)], vendor, fields)
        assert row.target == target, column
    (row,) = propose([own("Visit Day", dates)], vendor, fields)
    assert row.value == "lead.own_field | date('%d.%m.%Y')"
    (row,) = propose([own("Visit Day", replace(dates, forms=("%d/%m/%Y", "%m/%d/%Y")))], vendor, fields)
    assert not row.target, "days and months that cannot be told apart are not guessed at"


def test_answers_are_matched_to_the_options_of_the_field_and_cut_texts_are_foreseen(plugins: Plugins) -> None:
    vendor = plugins.vendor("marketo")
    fields = [Field("leadType", label="Lead Type", options=("Hot lead", "Warm lead")), Field("consentGiven", "boolean"),
              Field("company", length=10)]  # fmt: skip
    question = Guess("Lead type", "qualifier", Content("text", 1.0, 9, answers=("hot lead", "Warm Leads")))
    consent = Guess("Consent given", "qualifier", Content("yes_no", 1.0, 9, answers=("Ja", "Nein")))
    company = Guess("Firma", "field", Content("text", 1.0, 9, longest=30), "company")
    rows = {row.target: row for row in propose([question, consent, company], vendor, fields)}
    assert rows["leadType"].options == {"hot lead": "Hot lead", "Warm Leads": "Warm lead"}
    assert rows["consentGiven"].options == {"Ja": "true", "Nein": "false"}
    assert rows["company"].too_long


def test_a_file_without_a_header_is_refused_and_its_people_are_not_shown(plugins: Plugins, tmp_path: Path) -> None:
    source = tmp_path / "leads.csv"
    source.write_text("Ada,Quill,ada@fernhill.example\nBo,Reed,bo@gantry.example\n", "utf-8")
    with pytest.raises(SpecError, match="first row holds data") as error:
        proposal(plugins, source, tmp_path)
    assert "ada@" not in str(error.value)


def test_a_column_that_would_be_recognised_by_its_name_is_listed_where_it_is_something_else(
    plugins: Plugins, tmp_path: Path
) -> None:
    source = tmp_path / "leads.csv"
    source.write_text("Email,Phone,Notes\n" + "".join(f"p{n}@gantry.example,yes,no\n" for n in range(5)), "utf-8")
    made = proposal(plugins, source, tmp_path)
    write_project(made)
    assert {"Phone", "Notes"} <= specs.load(made.path).source.columns.keys()


NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=25) | st.sampled_from(
    ["", " leading", 'a "quote"', "it's", "#5", "key: value", "Übergröße", "🦊", "two\nlines", "- item", "*", "&a",
     "<<", "yes", "null", "NULL", "1.0", "0x1f", "2026-05-12", "Email", "Email", "Vorname", "{a}", "[b]", "a, b", "%",
     "@", "`", "|", "?", "? x", "~", "=", "x" * 1200, "\u2028", "\x7f", "\ufeff", "a\tb", *COLUMNS]
)  # fmt: skip
CELLS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    ["", "yes", "no", "a;b", "#", ": ", "x@y.example", "12", "2026-05-12", "12.05.2026", "Norway", "'", '"', "{{ 7 }}"]
)
FOLDERS = count()


def readable(header: list[str], rows: list[list[str]], plugins: Plugins, tmp_path: Path) -> None:
    folder = tmp_path / str(next(FOLDERS))
    folder.mkdir()
    try:
        source = folder / "leads.csv"
        with source.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([header, *rows])
        try:
            made = proposal(plugins, source, folder)
        except SpecError:
            return  # no header, or data in its place
        write_project(made)
        spec = specs.load(made.path)
        assert [finding for finding in check(spec, plugins) if finding.level == "error"] == []
        listed = {guess.column: guess.field for guess in made.fields}
        assert spec.source.columns == listed
        assert {row.column for row in spec.source.qualifiers.values()} == {row.guess.column for row in made.qualifiers}
        assert try_paths((made.path,), plugins).report.findings == []
    finally:
        shutil.rmtree(folder)


@settings(max_examples=18, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.lists(NAMES, min_size=1, max_size=8), cells=st.lists(st.lists(CELLS, max_size=8), max_size=8))
def test_whatever_the_columns_are_called_and_hold_the_result_is_right(
    header: list[str], cells: list[list[str]], plugins: Plugins, tmp_path: Path
) -> None:
    readable(header, cells, plugins, tmp_path)


@pytest.mark.torture
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.lists(NAMES, min_size=1, max_size=20), cells=st.lists(st.lists(CELLS, max_size=20), max_size=30))
def test_many_more_columns_and_values(
    header: list[str], cells: list[list[str]], plugins: Plugins, tmp_path: Path
) -> None:
    readable(header, cells, plugins, tmp_path)


def test_two_hundred_columns_are_no_trouble(plugins: Plugins, tmp_path: Path) -> None:
    readable([f"Column {n % 190}" for n in range(200)], [["yes", "no"] * 100] * 6, plugins, tmp_path)
