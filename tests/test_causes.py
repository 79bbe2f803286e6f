"""engine reconcile fix --group: the cause of a group is removed in the spec, once, for all of its leads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from engine import hookimpl, specs
from engine.adapters import Vendor
from engine.cli import build_cli
from engine.codes import CODES
from engine.errors import SpecError
from engine.records import Delivery, Failure, Field, Outcome, Program
from engine.state import Store
from tests.unit_helpers import Shelf, run_spec, shelf_plugins, write_csv

HEADER = ("First Name", "Last Name", "Company", "Email", "Title", "Country", "Score", "Type")
ROW = ("Ada", "Quill", "Fernhill", "ada@f.example", "Buyer", "Norway", "1", "Hot")


class Picky(Shelf):
    """A shelf that looks at what it is given: options, lengths, statuses, and one value that it takes from nobody."""

    name = "picky"
    actions: ClassVar[tuple[str, ...]] = ("upsert", "create_only")
    extra: ClassVar[list[Field]] = []

    def fields(self) -> Sequence[Field]:
        return [Field("email", "email"), Field("firstName"), Field("lastName"), Field("company", label="Company Name"),
                Field("title", length=10), Field("country", options=("Norway", "Sweden", "United Kingdom")),
                Field("score", "integer"), Field("leadType", label="Kind of lead"), Field("locked", writable=False),
                *self.extra]  # fmt: skip

    def programs(self, ids: Sequence[str]) -> Mapping[str, Program]:
        known = {"7": Program("7", "Expo", ("Registered", "Attended")), "8": Program("8", "Old", refusal="archived")}
        return {id: known[id] for id in ids if id in known}

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return [self._verdict(each) or super(Picky, self).sync([each])[0] for each in deliveries]

    def _verdict(self, each: Delivery) -> Outcome | None:
        if "kindOfLead" in each.fields:
            why = Failure("MISSING_REMOTE_FIELD", "Picky: no field kindOfLead", "kindOfLead", "1006", "leads")
            return Outcome("failed", failure=why)
        if each.fields.get("company") == "n/a":
            why = Failure("DATA_VALUE_VALIDATION", "Picky: not this value", "company", "1003", "leads")
            return Outcome("failed", failure=why)
        if each.decision.action == "create_only":
            return Outcome("failed", failure=Failure("ALREADY_EXISTS", "Picky: it is there", endpoint="leads"))
        if each.fields.get("lastName") == "Twin" and each.decision.duplicates == "fail":
            what = f"{each.decision.value} is the key of several records (1, 2)"
            return Outcome("failed", failure=Failure("AMBIGUOUS_MATCH", what, endpoint="leads"))
        return None

    def enroll(self, program_id: str, status: str, members: Sequence[Any]) -> Sequence[Outcome]:
        return [Outcome("updated", remote_id=member.remote_id) for member in members]


class PickyPlugin:
    @hookimpl
    def register_vendors(self) -> list[type[Vendor]]:
        return [Picky]


PLUGINS = shelf_plugins(picky=PickyPlugin())
SPEC = """\
version: 1
name: expo   # of this year
source:
  use: csv
  path: leads.csv
  event: Expo 2026
  columns: {Score: score}
  qualifiers: {Lead Type: Type}
destination: {use: picky}
mapping:
  fields:
    email: lead.email      # the key
    lastName: lead.last_name
    company: lead.company  # as on the badge
"""


class Desk:
    """A folder with an integration that has run, and the command line on its state."""

    def __init__(self, folder: Path) -> None:
        self.path, self.state = folder / "expo.yaml", folder / "state.db"

    def ran(self, rows: Sequence[Sequence[str]], more: str = "", spec: str = SPEC) -> Desk:
        self.path.write_text(spec + more, "utf-8")
        write_csv(self.path.with_name("leads.csv"), rows, HEADER)
        run_spec(self.path, self.state, PLUGINS)
        return self

    def fix(self, *words: str, asked: str | None = None) -> Result:
        given = ["reconcile", "fix", *words, "--state", str(self.state)]
        return CliRunner().invoke(build_cli(), given, input=asked)

    def totals(self) -> Mapping[str, int]:
        with Store(self.state) as store:
            return store.reports.totals("expo")

    def failures(self) -> list[tuple[str, str]]:
        with Store(self.state) as store:
            return [(lead["code"], lead["message"]) for lead in store.reports.failed("expo")]

    def acts(self, lead: int) -> list[str]:
        with Store(self.state) as store:
            return [act["what"] for act in store.actions.of_lead(lead)]

    @property
    def lines(self) -> list[str]:
        """The lines of the spec, without those that it began with."""
        return [line for line in self.path.read_text("utf-8").splitlines() if line not in SPEC.splitlines()]

    @property
    def people(self) -> dict[str, dict[str, Any]]:
        return Shelf.shelves["shelf"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("engine.plugins.load", lambda: PLUGINS)
    Shelf.shelves.clear()
    yield Desk(tmp_path)


def rows(count: int, **cells: str) -> list[tuple[str, ...]]:
    """Invented people with some cells changed."""
    name = "".join(filter(str.isalnum, "".join(cells.values())))
    return [tuple({**dict(zip(HEADER, ROW, strict=True)), "Email": f"p{name}{number}@f.example",
                   "Last Name": f"Quill{number}", **cells}.values()) for number in range(count)]  # fmt: skip


# Values ---------------------------------------------------------------------------------------------------------------


def test_one_command_clears_a_group_by_one_change_of_the_spec(desk: Desk) -> None:
    desk.ran([*rows(2, Country="Norwegen"), *rows(1, Country="-"), *rows(2, Country="united kingdm")],
             "    country: lead.country   # by its name\n")  # fmt: skip
    assert (desk.totals()["failed"], desk.totals()["cleared"]) == (5, 0)
    done = desk.fix("--group", "DATA_VALUE_VALIDATION", "--map", "Norwegen=Norway", "--yes", "--by", "ada")
    assert done.exit_code == 0, done.output
    assert desk.totals()["cleared"] == 5
    assert desk.lines == [
        "    country: {value: lead.country, values: {Norwegen: Norway, united kingdm: United Kingdom, \"-\": \"\"}}"
        "   # by its name"
    ]  # fmt: skip
    assert sorted(row.get("country", "") for row in desk.people.values()) == [
        "", "Norway", "Norway", "United Kingdom", "United Kingdom",
    ]  # fmt: skip
    assert desk.acts(1) == ["spec", "retry"]


def test_nothing_is_changed_unasked_and_what_is_not_clear_is_asked_for(desk: Desk) -> None:
    desk.ran([*rows(2, Country="united kingdm"), *rows(1, Country="Narnia")], "    country: lead.country\n")
    before = desk.path.read_bytes()
    shown = desk.fix("--group", "DATA_VALUE_VALIDATION")
    assert shown.exit_code == 0 and desk.path.read_bytes() == before and desk.totals()["failed"] == 3
    assert "clears 2 of 3 leads" in shown.output and "1 would still fail: DATA_VALUE_VALIDATION" in shown.output
    assert "no guess for 'Narnia': say --map OLD=NEW" in shown.output and "--take 1" in shown.output
    assert "+    country: {value: lead.country, values: {united kingdm: United Kingdom}}" in shown.output
    wrong = desk.fix("--group", "DATA_VALUE_VALIDATION", "--map", "Narnai=Norway").exception
    assert isinstance(wrong, SpecError) and wrong.fix == "Did you mean 'Narnia'?"
    assert isinstance(desk.fix("--group", "DATA_VALUE_VALIDATION", "--take", "9").exception, SpecError)
    with_map = desk.fix("--group", "DATA_VALUE_VALIDATION", "--map", "Narnia=", "--yes", "--no-retry")
    assert with_map.exit_code == 0 and desk.totals()["failed"] == 3 and "engine reconcile retry" in with_map.output
    assert "retry them" in desk.fix("--group", "DATA_VALUE_VALIDATION").output


@pytest.mark.parametrize(
    ("cells", "row", "changed", "written"),
    [
        (["Head of Everything"], "    title: lead.job_title\n", "{value: lead.job_title, too_long: truncate}",
         {"Head of Ev"}),
        (["1,200", "12,500"], "    score: lead.score\n", "lead.score | number(thousands=',')", {1200, 12500}),
        (["n/a", "-"], "    score: lead.score\n", '{value: lead.score, values: {n/a: "", "-": ""}}', {None}),
        (["1,200", "n/a"], "    score: lead.score\n",
         "{value: \"lead.score | replace(',', '')\", values: {n/a: \"\"}}", {1200, None}),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_cut_read_or_left_out(
    desk: Desk, cells: list[str], row: str, changed: str, written: set[Any]
) -> None:
    column, name = ("Title", "title") if "title" in row else ("Score", "score")
    people = [rows(1, **{column: cell, "Company": f"Kestrel{index}"})[0] for index, cell in enumerate(cells)]
    desk.ran(people, row)
    assert desk.totals()["failed"] == len(cells)
    done = desk.fix("--group", "DATA_VALUE_VALIDATION", "--take", "1")
    assert done.exit_code == 0, done.output
    assert desk.lines == [f"    {name}: {changed}"]
    assert desk.totals()["cleared"] == len(cells)
    assert {person.get(name) for person in desk.people.values()} == written


def test_values_that_the_vendor_itself_refused_come_from_what_was_sent(desk: Desk) -> None:
    desk.ran(rows(2, Company="n/a"))
    assert desk.failures()[0] == ("DATA_VALUE_VALIDATION", "Picky: not this value")
    done = desk.fix("--group", "DATA_VALUE_VALIDATION", "--field", "company", "--yes")
    assert done.exit_code == 0 and desk.totals()["cleared"] == 2
    assert desk.lines == ['    company: {value: lead.company, values: {n/a: ""}}  # as on the badge']


def test_several_fields_are_several_causes(desk: Desk) -> None:
    desk.ran([*rows(2, Country="Swedn"), *rows(1, Score="n/a")], "    country: lead.country\n    score: lead.score\n")
    shown = desk.fix("--group", "DATA_VALUE_VALIDATION", "--json")
    assert shown.exit_code == 0
    with Store(desk.state) as store:
        assert store.reports.totals("expo")["failed"] == 3
    assert '"clears": 2' in shown.output and '"clears": 1' in shown.output
    assert desk.fix("--group", "DATA_VALUE_VALIDATION", "--take", "2").exit_code in (0, 1)
    assert [message.split(":")[0] for _, message in desk.failures()] == ["country", "country"]
    wrong = desk.fix("--group", "DATA_VALUE_VALIDATION", "--field", "contry").exception
    assert isinstance(wrong, SpecError) and "country" in wrong.fix


def test_on_a_terminal_people_are_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cli.fix_cause.on_terminal", lambda: True)
    monkeypatch.setattr("engine.cli.edits.on_terminal", lambda: True)
    desk.ran([*rows(1, Country="Swedn"), *rows(1, Country="Narnia")], "    country: lead.country\n")
    group = ("--group", "DATA_VALUE_VALIDATION")
    assert "nothing was changed" in desk.fix(*group, asked="0\n").output and desk.lines == ["    country: lead.country"]
    assert desk.fix(*group, asked="7\n1\n").exit_code == 1, "one lead of the two is left"
    assert desk.totals()["cleared"] == 1 and len(desk.lines) == 1
    assert "nothing was changed" in desk.fix(*group, "country=Norway", asked="n\n").output
    assert "1 lead corrected" in desk.fix(*group, "country=Norway", asked="y\n").output


def test_options_of_the_spec_can_be_added_to(desk: Desk) -> None:
    desk.ran(rows(1, Type="Scorching"),
             "    leadType: {value: \"qualifiers['Lead Type']\", options: [Hot, Cold]}  # for sales\n")  # fmt: skip
    done = desk.fix("--group", "DATA_VALUE_VALIDATION", "--yes")
    assert done.exit_code == 0, done.output
    assert desk.lines == [
        "    leadType: {value: \"qualifiers['Lead Type']\", options: [Hot, Cold, Scorching]}  # for sales"
    ]


# Answers, names, rules ------------------------------------------------------------------------------------------------


def test_all_missing_answers_of_a_group_become_options_at_once(desk: Desk) -> None:
    row = "  qualifiers:\n    Lead Type: {field: leadType, options: {Hot: A, Warm: B}}   # three letters\n"
    desk.ran([*rows(2, Type="hot"), *rows(1, Type="Worm"), *rows(1, Type="Icy")], row)
    shown = desk.fix("--group", "NO_TAG_MAPPING")
    assert "clears 3 of 4" in shown.output and "--map 'Icy'=OPTION" in shown.output
    done = desk.fix("--group", "NO_TAG_MAPPING", "--map", "Icy=C", "--yes")
    assert done.exit_code == 0 and desk.totals()["cleared"] == 4
    assert desk.lines[-1].endswith("options: {Hot: A, Warm: B, hot: A, Worm: B, Icy: C}}   # three letters")


def test_answers_that_the_field_does_not_take_become_its_options(desk: Desk) -> None:
    desk.ran([*rows(1, Type="Sweden"), *rows(2, Type="Norwayy")], "  qualifiers:\n    Lead Type: {field: country}\n")
    assert desk.fix("--group", "DATA_VALUE_VALIDATION", "--yes").exit_code == 0
    assert desk.lines[-1] == "    Lead Type: {field: country, options: {Norway: Norway, Sweden: Sweden, " \
        "United Kingdom: United Kingdom, Norwayy: Norway}}"  # fmt: skip
    assert desk.totals()["cleared"] == 3


def test_several_answers_can_be_written_where_the_field_takes_them(desk: Desk) -> None:
    spec = SPEC.replace("{Lead Type: Type}", "{Lead Type: {column: Type, separator: /}}")
    desk.ran(rows(1, Type="Hot/Warm"), "  qualifiers:\n    Lead Type: {field: leadType}\n", spec)
    assert desk.fix("--group", "DATA_VALUE_VALIDATION", "--yes").exit_code == 0
    assert desk.lines[-1] == "    Lead Type: {field: leadType, multiple: true}" and desk.totals()["cleared"] == 1


def test_a_missing_answer_of_a_program_becomes_a_status(desk: Desk) -> None:
    desk.ran(rows(1, Type="Attendd"), "  programs:\n    - program_id: 7\n      status_from:\n"
             "        qualifier: Lead Type\n        options:\n          Hot: Registered   # came by\n")  # fmt: skip
    assert desk.failures()[0][0] == "NO_TAG_MAPPING"
    assert desk.fix("--group", "NO_TAG_MAPPING", "--yes").exit_code == 0
    assert desk.lines[-1] == "          Attendd: Attended" and desk.totals()["cleared"] == 1


def test_a_field_that_is_missing_is_meant_by_its_label_or_left_out(desk: Desk) -> None:
    desk.ran(rows(2), "    Kind of Lead: lead.country   # for sales\n")
    assert {code for code, _ in desk.failures()} == {"MISSING_REMOTE_FIELD"}
    shown = desk.fix("--group", "MISSING_REMOTE_FIELD")
    assert "1. write 'leadType' instead of 'Kind of Lead'" in shown.output and "2. leave" in shown.output
    assert desk.fix("--group", "MISSING_REMOTE_FIELD", "--take", "1").exit_code == 0
    assert desk.lines == ["    leadType: lead.country   # for sales"] and desk.totals()["cleared"] == 2


def test_a_field_that_is_refused_while_sending_has_the_same_fixes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood in the vendor's list when that was read, and not any more when the leads were sent."""
    monkeypatch.setattr(Picky, "extra", [Field("kindOfLead")])
    desk.ran(rows(2), "    kindOfLead: lead.country   # for sales\n")
    assert {code for code, _ in desk.failures()} == {"MISSING_REMOTE_FIELD"}
    monkeypatch.setattr(Picky, "extra", [])
    assert desk.fix("--group", "MISSING_REMOTE_FIELD", "--take", "1").exit_code == 0
    assert desk.lines == ["    leadType: lead.country   # for sales"] and desk.totals()["cleared"] == 2


def test_a_field_that_resembles_none_can_be_given_or_left_out(desk: Desk) -> None:
    desk.ran(rows(1), "    zzz: lead.country\n")
    given = desk.fix("--group", "MISSING_REMOTE_FIELD", "--map", "zzz=leadType")
    assert "1. write 'leadType' instead of 'zzz'" in given.output
    assert desk.fix("--group", "MISSING_REMOTE_FIELD", "--take", "1").exit_code == 0
    assert desk.lines == [] and desk.totals()["cleared"] == 1


def test_a_status_that_the_program_does_not_have(desk: Desk) -> None:
    desk.ran(rows(2), "  programs:\n    - {program_id: 7, status: registred}   # Expo\n")
    shown = desk.fix("--group", "INVALID_CAMPAIGN_STATUS", "--yes")
    assert shown.exit_code == 0 and desk.totals()["cleared"] == 2
    assert desk.lines[-1] == "    - {program_id: 7, status: Registered}   # Expo"


def test_a_program_that_takes_no_members_is_no_matter_of_guessing(desk: Desk) -> None:
    desk.ran(rows(1), "  programs:\n    - {program_id: 8, status: Registered}\n")
    before = desk.path.read_bytes()
    shown = desk.fix("--group", "CAMPAIGN_NOT_WRITABLE", "--yes")
    assert shown.exit_code == 1 and desk.path.read_bytes() == before
    assert "takes no members: archived" in shown.output and "Correct the id in the mapping" in shown.output


def test_several_records_with_one_key(desk: Desk) -> None:
    desk.ran([tuple({**dict(zip(HEADER, ROW, strict=True)), "Last Name": "Twin"}.values())])
    assert desk.failures()[0][0] == "AMBIGUOUS_MATCH"
    assert desk.fix("--group", "AMBIGUOUS_MATCH", "--yes").exit_code == 0
    assert desk.lines == ["matching: [{by: lead_id, value: lead.remote_id}, "
                          "{by: email, value: lead.email, duplicates: most_recent}]"]  # fmt: skip
    assert desk.totals()["cleared"] == 1


def test_people_who_are_there_already(desk: Desk) -> None:
    rule = "  - by: email   # the only key\n    value: lead.email\n    action: create_only  # ?\n"
    (desk.path.parent / "rules.yaml").write_text(f"version: 1\nrules:\n{rule}", "utf-8")
    desk.ran(rows(1), "matching: rules.yaml\n")
    before = desk.path.read_bytes()
    assert desk.fix("--group", "ALREADY_EXISTS", "--yes").exit_code == 0
    assert desk.path.read_bytes() == before and desk.totals()["cleared"] == 1
    rules = (desk.path.parent / "rules.yaml").read_text("utf-8")
    assert rules.endswith("- by: email   # the only key\n    value: lead.email\n    action: upsert  # ?\n")


@pytest.mark.parametrize(
    ("more", "line"),
    [("", "required: [first_name, last_name]"),
     ("required: [company, last_name]   # by law\n", "required: [last_name]   # by law"),
     ("required:\n  - last_name\n  - company\n", "  - last_name")],
)  # fmt: skip
def test_fewer_fields_can_be_required(desk: Desk, more: str, line: str) -> None:
    desk.ran(rows(1, Company=""), more)
    shown = desk.fix("--group", "MISSING_REQUIRED_VALUE")
    assert "require no company" in shown.output and "engine reconcile export" in shown.output
    assert desk.fix("--group", "MISSING_REQUIRED_VALUE", "--take", "1").exit_code == 0
    assert desk.lines[-1] == line and desk.totals()["cleared"] == 1


def test_a_change_that_would_break_the_spec_or_help_nobody_is_not_proposed(desk: Desk) -> None:
    desk.ran(rows(1), "    zzz: lead.country\n    leadType: lead.city\n")
    shown = desk.fix("--group", "MISSING_REMOTE_FIELD", "--map", "zzz=leadType")
    assert "not proposed: write 'leadType'" in shown.output and "1. leave 'zzz' out" in shown.output
    email = desk.fix("--group", "NOTHING").exception
    assert isinstance(email, SpecError) and "MISSING_REMOTE_FIELD" in email.why


def test_what_does_not_belong_together_is_refused(desk: Desk) -> None:
    desk.ran(rows(1, Company=""))
    for words in (["--group", "X", "--event", "Expo"], ["1", "--take", "1"], ["--field", "x", "1", "city=Oslo"],
                  ["--group", "MISSING_REQUIRED_VALUE", "--map", "x"], []):  # fmt: skip
        assert desk.fix(*words).exit_code == 2, words


# Several leads --------------------------------------------------------------------------------------------------------


def test_one_change_of_several_leads_is_shown_and_then_made(desk: Desk) -> None:
    desk.ran([*rows(2, Company="", Country="Norway"), *rows(1, Company="", Country="Sweden")])
    where = ("--where", "lead.country == 'Norway'", "company=Gantry Works")
    shown = desk.fix(*where)
    assert "2 changes in 2 leads" in shown.output and "nothing was changed" in shown.output
    assert desk.totals()["failed"] == 3
    done = desk.fix(*where, "--yes", "--by", "ada")
    assert done.exit_code == 0 and "2 leads corrected" in done.output and desk.totals()["failed"] == 1
    assert "nothing would change" in desk.fix("1", "2", "company=Gantry Works").output
    both = desk.fix("1", "3", "company=Kestrel", "--yes")
    assert both.exit_code == 0 and desk.totals()["failed"] == 0 and desk.acts(3) == ["edit"]
    unknown = desk.fix("--where", "lead.country == 'Norway'", "compny=X").exception
    assert isinstance(unknown, SpecError)


def test_the_commands_name_the_spec_that_was_moved(desk: Desk, tmp_path: Path) -> None:
    desk.ran(rows(1, Country="Swedn"), "    country: lead.country\n")
    moved = tmp_path / "new.yaml"
    desk.path.rename(moved)
    assert isinstance(desk.fix("--group", "DATA_VALUE_VALIDATION").exception, SpecError)
    assert desk.fix("--group", "DATA_VALUE_VALIDATION", "--spec", str(moved), "--yes").exit_code == 0
    assert "values" in moved.read_text("utf-8") and specs.load(moved).name == "expo"


def test_the_same_at_a_vendor_of_this_house_in_a_spec_that_is_json(bench: Any, person: Any) -> None:
    bench.leads([person(1, Title="T" * 300), person(2, Title="Buyer")])
    spec = bench.spec()
    assert bench.run().totals["failed"] == 1
    done = bench.cli("reconcile", "fix", "--group", "DATA_VALUE_VALIDATION", "--yes")
    assert done.code == 0, done.err
    assert json.loads(spec.read_text("utf-8"))["mapping"]["fields"]["title"]["too_long"] == "truncate"
    assert bench.people()["ada1@kestrel.example"]["title"] == "T" * 255


@pytest.mark.parametrize("code", ["DATA_VALUE_VALIDATION", "NO_TAG_MAPPING", "MISSING_REMOTE_FIELD",
                                  "INVALID_CAMPAIGN_STATUS", "AMBIGUOUS_MATCH"])  # fmt: skip
def test_a_group_whose_cause_can_be_fixed_names_the_command(code: str) -> None:
    assert f"`engine reconcile fix --group {code}` proposes how" in CODES[code].fix
