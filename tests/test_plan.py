"""engine plan says what a run would do, and engine run --plan does that or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.planning.records import load
from tests.conftest import Bench, Ended

MAPPING = {
    "qualifiers": {"Heat": {"field": "leadType", "options": {"Hot": "A", "Warm": "B"}}},
    "programs": [{"program_id": 1107, "status": "Registered", "event": "Expo", "min_scans": 1}],
    "lists": [{"list_id": 1001, "event": "Expo"}],
}
FIELDS = {
    "email": "lead.email",
    "firstName": "lead.first_name",
    "lastName": "lead.last_name",
    "company": {"value": "lead.company", "write": "if_blank"},
    "title": "lead.job_title",
    "city": {"value": "lead.city", "empty": "clear"},
}
SOURCE = {"qualifiers": {"Heat": "Heat"}, "event": "Expo"}
COLUMNS = ("First Name", "Last Name", "Company", "E-mail", "Job Title", "City", "Heat")


def row(number: int, **changes: str) -> dict[str, str]:
    found = {"First Name": "Ada", "Last Name": f"Quill {number}", "Company": "Fernhill", "City": "Leeds",
             "E-mail": f"ada{number}@fernhill.example", "Job Title": "Buyer", "Heat": "Hot"}  # fmt: skip
    return found | changes


@pytest.fixture
def show(bench: Bench) -> Callable[..., Path]:
    """A show at Marketo: who is there already, and who was scanned."""

    def make(people: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, str]], **changes: Any) -> Path:
        bench.marketo(leads=list(people))
        bench.leads(rows)
        return bench.spec(source=SOURCE, mapping=MAPPING, fields=FIELDS, **changes)

    return make


def planned(bench: Bench, spec: Path, *more: str) -> Any:
    done = bench.cli("plan", spec, "--json", *more)
    assert done.code == 0, done.err
    return done.json


def by_key(plan: Any) -> dict[str, Any]:
    return {lead["key"].removeprefix("email:"): lead for lead in plan["leads"]}


def run_planned(bench: Bench, spec: Path, path: Path) -> Ended:
    return bench.cli("run", spec, "--plan", path, "--quiet")


def test_two_thousand_known_people_end_as_planned_field_by_field(bench: Bench, show: Any) -> None:
    people = []
    for number in range(2_000):
        person: dict[str, Any] = {"email": f"ada{number}@fernhill.example", "firstName": "Ada", "country": "Norway"}
        person |= {"company": "Her own"} if number % 3 == 0 else {}
        person |= (
            {"title": "Buyer", "lastName": f"Quill {number}", "leadType": "A", "city": "Leeds"} if number % 2 else {}
        )
        people.append(person)
    rows = [row(number, City="" if number % 5 == 0 else "Leeds", Heat=["Hot", "Warm", "Tepid"][number % 7 % 3])
            for number in range(0, 2_200)]  # fmt: skip
    spec, path = show(people, rows), bench.folder / "plan.json"
    before = bench.people()
    calls = len(bench.writes())
    done = bench.cli("plan", spec, "--save", path)
    assert done.code == 0, done.err
    assert (bench.people(), len(bench.writes())) == (before, calls), "planning writes nothing"
    assert not bench.state.exists()
    plan = load(path)
    assert plan.counts["create"] > 100 and plan.counts["update"] > 1_000 and plan.counts["fail"] > 100
    done = run_planned(bench, spec, path)
    assert done.code == 1, done.err
    after = bench.people()
    wanted = {email: dict(person) for email, person in before.items()}
    for lead in plan.leads:
        if lead.word in ("create", "update"):
            record = wanted.setdefault(lead.value, {})
            record.update({change.field: change.new for change in lead.changes})
    assert {email: _values(person) for email, person in after.items()} == {
        email: _values(person) for email, person in wanted.items()
    }
    members = {(member["leadId"], member["programId"], member["statusName"]) for member in _members(bench)}
    ids = {person["email"]: person["id"] for person in after.values()}
    assert members == {(ids[lead.value], 1107, "Registered") for lead in plan.leads for place in lead.places
                       if place.kind == "program"}  # fmt: skip
    assert set(bench.marketo().state()["lists"]["1001"]) == {ids[lead.value] for lead in plan.leads if lead.places}
    assert {lead["key"] for lead in planned(bench, spec)["leads"] if lead["changes"]} == set()


def _values(person: Mapping[str, Any]) -> dict[str, Any]:
    """What a person holds that is not the vendor's own."""
    own = {"id", "createdAt", "updatedAt"}
    return {name: value for name, value in person.items() if name not in own and value not in (None, "")}


def _members(bench: Bench) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.marketo().state()["members"]
    return found


# What a plan says -----------------------------------------------------------------------------------------------------


def test_each_lead_says_what_becomes_of_it(bench: Bench, show: Any) -> None:
    people = [
        {"email": "ada1@fernhill.example", "firstName": "Ada", "lastName": "Quill 1", "title": "Buyer",
         "company": "Her own", "city": "Leeds", "leadType": "A"},
        {"email": "ada2@fernhill.example", "firstName": "ada", "city": "Ulm", "company": "Her own"},
        {"email": "twice@fernhill.example"}, {"email": "twice@fernhill.example"},
    ]  # fmt: skip
    rows = [row(1), row(2, City=""), row(3), row(4, **{"E-mail": "twice@fernhill.example"}), row(5, Heat="Tepid"),
            row(6, **{"Last Name": ""}), row(3, City="Oslo")]  # fmt: skip
    spec = show(people, rows)
    found = by_key(planned(bench, spec))
    assert {key: lead["word"] for key, lead in found.items()} == {
        "ada1@fernhill.example": "update", "ada2@fernhill.example": "update", "ada3@fernhill.example": "create",
        "twice@fernhill.example": "fail", "ada5@fernhill.example": "fail", "ada6@fernhill.example": "fail",
    }  # fmt: skip
    assert found["ada1@fernhill.example"]["changes"] == [], "its fields are so already; a program and a list are new"
    assert [(place["kind"], place["target"]) for place in found["ada1@fernhill.example"]["places"]] == [
        ("program", "1107"), ("list", "1001"),
    ]  # fmt: skip
    changes = {each["field"]: (each["old"], each["new"]) for each in found["ada2@fernhill.example"]["changes"]}
    assert changes == {"firstName": ("ada", "Ada"), "lastName": (None, "Quill 2"), "title": (None, "Buyer"),
                       "leadType": (None, "A"), "city": ("Ulm", None)}  # fmt: skip
    new = {each["field"]: each["new"] for each in found["ada3@fernhill.example"]["changes"]}
    assert (new["email"], new["company"], new["city"]) == ("ada3@fernhill.example", "Fernhill", "Leeds")
    assert {lead["code"] for lead in found.values() if lead["code"]} == {
        "AMBIGUOUS_MATCH", "NO_TAG_MAPPING", "MISSING_REQUIRED_VALUE",
    }  # fmt: skip


def test_planning_only_reads(bench: Bench, show: Any) -> None:
    spec = show([], [row(1)])
    bench.run(spec)
    bench.leads([row(1), row(2)])
    before, journal = bench.state.read_bytes(), len(bench.writes())
    people = bench.people()
    assert by_key(planned(bench, spec))["ada2@fernhill.example"]["word"] == "create"
    assert (bench.state.read_bytes(), len(bench.writes()), bench.people()) == (before, journal, people)
    assert not (bench.state.with_name("state.db-wal").exists() and bench.state.with_name("state.db-wal").stat().st_size)


def test_who_was_sent_before_is_left_alone(bench: Bench, show: Any) -> None:
    spec = show([], [row(1), row(2)])
    bench.run(spec)
    assert planned(bench, spec)["leads"] == []
    done = bench.cli("plan", spec, "--detailed-exitcode")
    assert (done.code, "0 create, 0 update, 0 skip, 0 fail" in done.out) == (0, True)


@pytest.mark.parametrize(("rows", "code"), [([row(1)], 10), ([row(1), row(2, Heat="Tepid")], 1)])
def test_the_exit_code_tells_what_would_happen(bench: Bench, show: Any, rows: Any, code: int) -> None:
    spec = show([], rows)
    assert bench.cli("plan", spec).code == 0
    assert bench.cli("plan", spec, "--detailed-exitcode").code == code


def test_rules_decide_in_a_plan_as_in_a_run(bench: Bench, show: Any) -> None:
    people = [{"id": 901, "email": "old@fernhill.example", "firstName": "Ada"}, {"email": "ada2@fernhill.example"}]
    rows = [row(1, **{"Lead ID": "901"}), row(2, **{"Lead ID": "999"}), row(3), row(4, **{"E-mail": ""})]
    matching = [
        {"by": "lead_id", "value": "lead.remote_id"},
        {"by": "email", "value": "lead.email", "action": "update_only"},
    ]
    spec = show(people, rows, matching=matching)
    plan = planned(bench, spec)
    found = {lead["lead"]: lead for lead in plan["leads"]}
    assert [found[id]["word"] for id in sorted(found)] == ["update", "update", "fail", "fail"]
    assert (found[1]["by"], found[1]["remote_id"]) == ("lead_id", "901")
    assert "email" not in {change["field"] for change in found[1]["changes"]}, "an id leaves the address alone"
    assert found[2]["by"] == "email", "the id is nobody's, so the address counts"
    assert {found[3]["code"], found[4]["code"]} == {"REMOTE_RECORD_GONE", "MISSING_MATCH_KEY"}
    path = bench.folder / "plan.json"
    assert bench.cli("plan", spec, "--save", path).code == 0
    assert run_planned(bench, spec, path).code == 1
    assert {lead["email"]: lead.get("lastName") for lead in bench.marketo().state()["leads"]} == {
        "old@fernhill.example": "Quill 1", "ada2@fernhill.example": "Quill 2",
    }  # fmt: skip


def test_a_mode_that_holds_leads_is_named(bench: Bench, show: Any) -> None:
    plan = planned(bench, show([], [row(1)], mode="manual"))
    assert by_key(plan)["ada1@fernhill.example"]["word"] == "create"
    assert "the sync mode is manual" in plan["notes"][0]


def test_two_rows_of_one_person_are_one_record(bench: Bench, show: Any) -> None:
    badge = {"Badge": "77", "E-mail": "ada1@fernhill.example"}
    spec = show([], [row(1, **badge), row(2, **{**badge, "Badge": "78"})], identity=["badge"])
    plan = planned(bench, spec)
    assert [(lead["word"], lead["remote_id"]) for lead in plan["leads"]] == [("create", ""), ("update", "new-1")]
    assert [change["field"] for change in plan["leads"][1]["changes"]] == ["lastName"]


def test_paid_answers_are_not_bought_and_what_they_may_fill_is_named(bench: Bench, show: Any) -> None:
    enrichment = [bench.provider_step(want=["job_title", "city"])]
    spec = show([], [row(1, **{"Job Title": "", "City": ""}), row(2)], enrichment=enrichment)
    plan = planned(bench, spec)
    lead = by_key(plan)["ada1@fernhill.example"]
    assert (lead["open"], lead["depends"]) == (["job_title", "city"], ["city", "title"])
    assert by_key(plan)["ada2@fernhill.example"]["open"] == []
    assert plan["paid"]["calls"] == 1
    assert bench.provider().calls() == []


# Doing what was planned ----------------------------------------------------------------------------------------------


@pytest.fixture
def saved(bench: Bench, show: Any) -> tuple[Path, Path]:
    people = [{"email": "ada1@fernhill.example", "firstName": "Ada", "city": "Ulm"}]
    spec, path = show(people, [row(1), row(2)]), bench.folder / "plan.json"
    assert bench.cli("plan", spec, "--save", path).code == 0
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert "sandbox-secret" not in path.read_text("utf-8")
    return spec, path


def _change_city(bench: Bench, spec: Path) -> None:
    bench.marketo().world.update(bench.people()["ada1@fernhill.example"]["id"], {"city": "Oslo"})


def _delete(bench: Bench, spec: Path) -> None:
    bench.marketo().world.delete(bench.people()["ada1@fernhill.example"]["id"])


def _create(bench: Bench, spec: Path) -> None:
    bench.marketo().world.insert({"email": "ada2@fernhill.example", "lastName": "Hers"})


def _more_rows(bench: Bench, spec: Path) -> None:
    bench.leads([row(1), row(2), row(3)])


def _other_spec(bench: Bench, spec: Path) -> None:
    spec.write_text(spec.read_text("utf-8").replace("lead.job_title", "lead.job_title | upper"), "utf-8")


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (_change_city, ["city: 'Ulm' → 'Leeds' was planned, now 'Oslo' → 'Leeds'"]),
        (_delete, ["ada1@fernhill.example: update was planned, and now it is create"]),
        (_create, ["ada2@fernhill.example: create was planned, and now it is update"]),
        (_more_rows, ["the source has changed", "ada3@fernhill.example: was not planned"]),
        (_other_spec, ["the spec has changed", "title: nothing → 'Buyer' was planned, now nothing → 'BUYER'"]),
    ],
)
def test_what_has_changed_since_is_said_and_nothing_is_sent(
    bench: Bench, saved: tuple[Path, Path], happens: Callable[[Bench, Path], None], said: list[str]
) -> None:
    spec, path = saved
    happens(bench, spec)
    before = bench.people()
    done = run_planned(bench, spec, path)
    assert done.code == 2
    for text in said:
        assert text in done.err
    assert "Nothing was sent" in done.err
    assert bench.people() == before and bench.writes() == []


def test_what_changes_between_looking_and_writing_stops_the_run(
    bench: Bench, saved: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard: a delivery that was not planned is not sent, whatever made it another one."""
    from engine.planning import make

    spec, path = saved
    real = make.make

    def late(*arguments: Any, **settings: Any) -> Any:
        found = real(*arguments, **settings)
        text = (bench.folder / "leads.csv").read_text("utf-8")
        (bench.folder / "leads.csv").write_text(text.replace("Buyer", "Thief"), "utf-8")
        return found

    monkeypatch.setattr(make, "make", late)
    done = run_planned(bench, spec, path)
    assert (done.code, "this was not planned" in done.err, "Thief" in done.err) == (1, True, True)
    assert bench.writes() == []


def test_an_interrupted_run_goes_on_as_planned(bench: Bench, show: Any) -> None:
    spec, path = (
        show([], [row(number) for number in range(6)], config={"limits": {"batch_size": 2}}),
        bench.folder / "p",
    )
    assert bench.cli("plan", spec, "--save", path).code == 0
    bench.marketo().add_fault(match="POST /rest/v1/leads.json", error="603", skip=1, times=1)
    assert run_planned(bench, spec, path).code == 4
    assert 0 < len(bench.people()) < 6
    done = run_planned(bench, spec, path)
    assert done.code == 0, done.err
    assert len(bench.people()) == 6


def test_pardot_too(bench: Bench) -> None:
    bench.pardot(prospects=[{"email": "ada1@fernhill.example", "firstName": "Ada", "company": "Her own"}])
    bench.leads([row(1), row(2)])
    fields = {
        "email": "lead.email", "lastName": "lead.last_name", "company": {"value": "lead.company", "write": "if_blank"},
        "jobTitle": {"value": "lead.job_title", "write": "on_create"},
    }  # fmt: skip
    spec, path = bench.spec("pardot", fields=fields), bench.folder / "plan.json"
    assert bench.cli("plan", spec, "--save", path).code == 0
    plan = load(path)
    changes = {lead.key: {change.field: change.new for change in lead.changes} for lead in plan.leads}
    assert changes == {
        "email:ada1@fernhill.example": {"lastName": "Quill 1"},
        "email:ada2@fernhill.example": {
            "email": "ada2@fernhill.example", "lastName": "Quill 2", "company": "Fernhill", "jobTitle": "Buyer",
        },
    }  # fmt: skip
    assert bench.writes("pardot") == []
    done = run_planned(bench, spec, path)
    assert done.code == 0, done.err
    people = bench.people("pardot")
    assert people["ada1@fernhill.example"]["company"] == "Her own"
    assert people["ada2@fernhill.example"]["jobTitle"] == "Buyer"
    assert people["ada1@fernhill.example"].get("jobTitle") is None


# How it looks --------------------------------------------------------------------------------------------------------


def test_the_page_holds_nothing_from_elsewhere_and_escapes_what_leads_say(bench: Bench, show: Any) -> None:
    spec, page = show([], [row(1, **{"Job Title": "<script>alert(1)</script>"})]), bench.folder / "plan.html"
    assert bench.cli("plan", spec, "--html", page).code == 0
    text = page.read_text("utf-8")
    assert "&lt;script&gt;alert(1)" in text and "<script" not in text
    assert "http" not in text.replace("marketo:", "") and 'scope="row"' in text
    assert oct(page.stat().st_mode & 0o777) == "0o600"


def test_a_lead_is_shown_alone_and_the_rest_is_counted(bench: Bench, show: Any) -> None:
    spec = show([], [row(number) for number in range(25)])
    assert "5 more: --details shows all" in bench.cli("plan", spec).out
    alone = bench.cli("plan", spec, "--lead", "ada7@fernhill.example").out
    assert "+ lastName   Quill 7" in alone and "Quill 8" not in alone
    assert bench.cli("plan", spec, "--lead", "nobody@fernhill.example").code == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"schema_version": 9}), '{"schema_version": 1}'])
def test_what_is_no_plan_is_refused(bench: Bench, show: Any, content: str) -> None:
    path = bench.folder / "plan.json"
    path.write_text(content, "utf-8")
    done = run_planned(bench, show([], [row(1)]), path)
    assert (done.code, "this is no saved plan" in done.err) == (2, True)
    assert bench.writes() == []
