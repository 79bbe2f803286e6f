"""engine plan: what a run would do, lead by lead and field by field, without a write."""

from __future__ import annotations

import io
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.errors import CredentialsError, EnvironmentFault
from engine.planning.records import load
from tests.conftest import Bench
from tests.plan_helpers import FIELDS, MAPPING, SOURCE, by_key, carried_out, changes, planned, row, saved, show

RULES: list[list[dict[str, Any]] | None] = [
    None,
    [{"by": "email", "value": "lead.email", "action": "create_only"}],
    [{"by": "email", "value": "lead.email", "action": "update_only"}],
    [{"by": "email", "value": "lead.email", "duplicates": "most_recent"}],
    [{"by": "badgeId", "value": "lead.badge_id"}, {"by": "email", "value": "lead.email"}],
    [{"by": "lead_id", "value": "lead.remote_id", "update_email": True},
     {"by": "email", "value": "lead.email", "action": "update_only"}],
]  # fmt: skip


# What a plan says is what a run does ----------------------------------------------------------------------------------


def test_two_thousand_known_people_end_as_planned_field_by_field(bench: Bench) -> None:
    people = []
    for number in range(2_000):
        person: dict[str, Any] = {"email": f"ada{number}@fernhill.example", "firstName": "Ada", "country": "Norway"}
        person |= {"company": "Her own"} if number % 5 == 0 else {}
        person |= (
            {"title": "Buyer", "lastName": f"Quill {number}", "leadType": "A", "city": "Leeds"} if number % 2 else {}
        )
        people.append(person)
    rows = [row(number, City="" if number % 7 == 0 else "Leeds", Heat=["Hot", "Warm", "Tepid"][number % 11 % 3])
            for number in range(0, 2_300, 3)]  # fmt: skip
    spec = show(bench, people, rows)
    plan = carried_out(bench, spec, saved(bench, spec))
    assert min(plan.counts["create"], plan.counts["fail"]) > 50 and plan.counts["update"] > 400
    assert max(plan.calls["look-up"], plan.calls["write"]) <= 4, "one call reads 300 people, and one writes them"
    assert planned(bench, spec).leads == []


@pytest.mark.parametrize("seed", [*range(7), *(pytest.param(seed, marks=pytest.mark.torture) for seed in range(7, 60))])
def test_a_run_leaves_what_was_planned_whatever_the_rules_and_the_people(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - for invented people
    people: list[dict[str, Any]] = []
    for number in range(12):
        person = {"id": 900 + number, "email": f"ada{number if seed % 3 else chance.randrange(10)}@fernhill.example"}
        for fields in ({"company": "Own"}, {"title": "Buyer"}, {"city": "Ulm"}, {"badgeId": str(700 + number)}):
            person |= fields if chance.random() < 0.5 else {}
        people.append(person)
    rows = []
    for number in range(chance.randrange(3, 14)):
        who = chance.randrange(14)
        rows.append(row(number, **{
            "E-mail": "" if chance.random() < 0.1 else f"{chance.choice(['ada', 'Ada'])}{who}@fernhill.example",
            "Lead ID": chance.choice(["", "", "77", str(900 + who) if who < 12 else "77"]),
            "Badge": chance.choice(["", str(700 + who)]), "City": chance.choice(["", "Leeds", "Ulm"]),
            "Heat": chance.choice(["Hot", "Hot", "Warm", "Tepid"]), "Job Title": chance.choice(["", "Buyer", "Chief"]),
        }))  # fmt: skip
    bench.marketo(leads=people, members=[
        {"leadId": each["id"], "programId": 1107, "statusName": chance.choice(["Invited", "Registered", "Attended"])}
        for each in people if chance.random() < 0.3
    ])  # fmt: skip
    bench.clock.advance(5)  # what is written now is written later
    rule = RULES[seed % len(RULES)]
    settings: dict[str, Any] = {"source": SOURCE, "fields": {**FIELDS, "badgeId": "lead.badge_id"}}
    settings |= {"matching": rule} if rule else {}
    settings |= {"identity": ["badge"]} if chance.random() < 0.3 else {}
    settings |= {"config": {"limits": {"batch_size": 2}}} if chance.random() < 0.5 else {}
    spec = bench.spec(mapping=MAPPING, **settings)
    if chance.random() < 0.3:
        bench.leads(rows[:3])
        bench.run(spec)
    bench.leads(rows)
    path = saved(bench, spec)
    if any("which order" in note for note in load(path).notes):
        return  # the vendor decides by which call comes first
    carried_out(bench, spec, path)


@pytest.mark.parametrize("seed", range(2))
def test_pardot_holds_what_was_planned_too(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - for invented people
    people = [{"email": f"ada{number}@fernhill.example", "firstName": "Ada", "company": chance.choice(["", "Own"]),
               "jobTitle": chance.choice(["", "Buyer", "Chief"])} for number in range(6)]  # fmt: skip
    bench.pardot(prospects=people)
    bench.leads([row(chance.randrange(9), City=chance.choice(["", "Leeds"])) for _ in range(8)])
    fields = {
        "email": "lead.email", "lastName": "lead.last_name", "company": {"value": "lead.company", "write": "if_blank"},
        "jobTitle": {"value": "lead.job_title", "write": "on_create"}, "city": {"value": "lead.city", "empty": "clear"},
    }  # fmt: skip
    spec = bench.spec("pardot", fields=fields)
    plan = carried_out(bench, spec, saved(bench, spec), "pardot")
    known = [lead for lead in plan.leads if lead.word != "create"]
    assert known and all("jobTitle" not in changes(lead) for lead in known)
    assert all("jobTitle" in changes(lead) for lead in plan.leads if lead.word == "create")


# What becomes of each lead --------------------------------------------------------------------------------------------


def test_each_lead_says_what_becomes_of_it(bench: Bench) -> None:
    people = [
        {"email": "ada1@fernhill.example", "firstName": "Ada", "lastName": "Quill 1", "title": "Buyer",
         "company": "Her own", "city": "Leeds", "leadType": "A"},
        {"email": "ada2@fernhill.example", "firstName": "ada", "city": "Ulm", "company": "Her own"},
        {"email": "twice@fernhill.example"}, {"email": "twice@fernhill.example"},
    ]  # fmt: skip
    rows = [row(1), row(2, City=""), row(3), row(4, **{"E-mail": "twice@fernhill.example"}), row(5, Heat="Tepid"),
            row(6, **{"Last Name": ""}), row(3, City="Oslo")]  # fmt: skip
    found = by_key(planned(bench, show(bench, people, rows)))
    assert {key: (lead.word, lead.code) for key, lead in found.items()} == {
        "ada1@fernhill.example": ("update", ""), "ada2@fernhill.example": ("update", ""),
        "ada3@fernhill.example": ("create", ""), "twice@fernhill.example": ("fail", "AMBIGUOUS_MATCH"),
        "ada5@fernhill.example": ("fail", "NO_TAG_MAPPING"),
        "ada6@fernhill.example": ("fail", "MISSING_REQUIRED_VALUE"),
    }  # fmt: skip
    assert not found["ada1@fernhill.example"].changes, "its fields are so already; a program and a list are new"
    assert [(each.kind, each.target) for each in found["ada1@fernhill.example"].places] == [
        ("program", "1107"), ("list", "1001"),
    ]  # fmt: skip
    assert changes(found["ada2@fernhill.example"]) == {
        "firstName": ("ada", "Ada"), "lastName": (None, "Quill 2"), "title": (None, "Buyer"), "leadType": (None, "A"),
        "city": ("Ulm", None),
    }  # fmt: skip
    new = changes(found["ada3@fernhill.example"])
    assert (new["company"], new["city"]) == ((None, "Fernhill"), (None, "Leeds"))


def test_who_holds_it_all_is_skipped_and_sent_all_the_same(bench: Bench) -> None:
    person = {"email": "ada1@fernhill.example", "firstName": "Ada", "lastName": "Quill 1", "title": "Buyer",
              "company": "Her own", "city": "Leeds"}  # fmt: skip
    (lead,) = planned(bench, show(bench, [person], [row(1, Heat="")], mapping={})).leads
    assert (lead.word, lead.sent, lead.changes) == ("skip", True, [])
    assert set(lead.unchanged) == {"email", "firstName", "lastName", "title", "city"}


def test_who_was_sent_before_and_is_scanned_again_is_skipped_and_not_sent(bench: Bench) -> None:
    spec = show(bench, [], [row(1), row(2)])
    bench.run(spec)
    plan = planned(bench, spec)
    assert (plan.leads, plan.rows, plan.known_rows) == ([], 2, 2)
    bench.leads([row(1, Booth="7")])
    plan = planned(bench, spec)
    assert [(lead.key, lead.word, lead.sent) for lead in plan.leads] == [("email:ada1@fernhill.example", "skip", False)]
    assert (plan.rows, plan.known_rows, plan.alters) == (1, 0, False)


def test_an_id_that_is_nobodys_falls_through_to_the_address(bench: Bench) -> None:
    people = [{"id": 901, "email": "old@fernhill.example", "firstName": "Ada"}, {"email": "ada2@fernhill.example"}]
    rows = [row(1, **{"Lead ID": "901"}), row(2, **{"Lead ID": "999"}), row(3), row(4, **{"E-mail": ""})]
    matching = [
        {"by": "lead_id", "value": "lead.remote_id"},
        {"by": "email", "value": "lead.email", "action": "update_only"},
    ]
    spec = show(bench, people, rows, matching=matching)
    plan = planned(bench, spec)
    assert [(lead.word, lead.code, lead.by) for lead in plan.leads] == [
        ("update", "", "lead_id"), ("update", "", "email"), ("fail", "REMOTE_RECORD_GONE", ""),
        ("fail", "MISSING_MATCH_KEY", ""),
    ]  # fmt: skip
    assert "email" not in changes(plan.leads[0]), "an id leaves the address alone"
    assert "RECORD_ID_GONE" in plan.leads[1].notices[0]


@pytest.mark.parametrize(
    ("rule", "known", "new"),
    [
        ({"action": "create_only"}, ("fail", "ALREADY_EXISTS"), ("create", "")),
        ({"action": "update_only"}, ("update", ""), ("fail", "REMOTE_RECORD_GONE")),
        ({"duplicates": "most_recent"}, ("update", ""), ("create", "")),
    ],
)
def test_a_rule_decides_in_a_plan_as_in_a_run(bench: Bench, rule: Any, known: Any, new: Any) -> None:
    people = [{"email": "ada1@fernhill.example", "id": id} for id in ((901, 902) if "duplicates" in rule else (901,))]
    spec = show(bench, people, [row(1), row(2)], matching=[{"by": "email", "value": "lead.email", **rule}])
    plan = planned(bench, spec)
    assert [(lead.word, lead.code) for lead in plan.leads] == [known, new]
    if "duplicates" in rule:
        assert plan.leads[0].record == "902" and "DUPLICATES_RESOLVED" in plan.leads[0].notices[0]


def test_two_leads_of_one_person_are_one_record(bench: Bench) -> None:
    badge = {"Badge": "77", "E-mail": "ada1@fernhill.example"}
    rows = [row(1, **badge), row(2, **{**badge, "Badge": "78"})]
    spec = show(bench, [], rows, identity=["badge"])
    plan = carried_out(bench, spec, saved(bench, spec))
    assert [(lead.word, lead.record) for lead in plan.leads] == [("create", "new-1"), ("update", "new-1")]
    assert changes(plan.leads[1]) == {"lastName": ("Quill 1", "Quill 2")}


def test_the_status_that_a_member_has_is_told_and_does_not_go_back(bench: Bench) -> None:
    given = {1: "Invited", 2: "Registered", 3: "Attended"}
    bench.marketo(
        leads=[{"id": 900 + number, "email": f"ada{number}@fernhill.example"} for number in (1, 2, 3, 4)],
        members=[{"leadId": 900 + number, "programId": 1107, "statusName": status} for number, status in given.items()],
    )
    bench.leads([row(number) for number in (1, 2, 3, 4)])
    spec = bench.spec(source=SOURCE, mapping={"programs": MAPPING["programs"]}, fields=FIELDS)
    plan = carried_out(bench, spec, saved(bench, spec))
    assert [(each.old, each.kept) for lead in plan.leads for each in lead.places] == [
        ("Invited", False), ("Registered", True), ("Attended", True), ("", False),
    ]  # fmt: skip
    assert plan.counts["programs"] == 2


def test_a_program_waits_for_more_scans(bench: Bench) -> None:
    programs = [{"program_id": 1107, "status": "Registered", "event": "Expo", "min_scans": 2}]
    spec = show(bench, [], [row(1), row(1, Booth="2"), row(2)], mapping={**MAPPING, "programs": programs, "lists": []})
    assert [len(lead.places) for lead in planned(bench, spec).leads] == [1, 0]


@pytest.mark.parametrize("mode", ["manual", "disabled"])
def test_a_mode_that_holds_leads_is_named_also_once_they_are_held(bench: Bench, mode: str) -> None:
    spec = show(bench, [], [row(1)], mode=mode)
    before = planned(bench, spec)
    bench.run(spec)
    after = planned(bench, spec)
    for plan in (before, after):
        assert [lead.word for lead in plan.leads] == ["create"]
        assert len(plan.leads[0].changes) == 7
        assert f"the sync mode is {mode}" in plan.notes[0]
    assert bench.people() == {}


def test_paid_answers_are_not_bought_and_what_they_may_fill_is_named(bench: Bench) -> None:
    enrichment = [bench.provider_step(want=["job_title", "city"])]
    spec = show(bench, [], [row(1, **{"Job Title": "", "City": ""}), row(2)], enrichment=enrichment)
    plan = planned(bench, spec)
    found = by_key(plan)
    assert (found["ada1@fernhill.example"].open, found["ada1@fernhill.example"].depends) == (
        ["job_title", "city"], ["city", "title"],
    )  # fmt: skip
    assert found["ada2@fernhill.example"].open == ()
    assert any("email:ada1@fernhill.example may still be filled in" in note for note in plan.notes)
    assert plan.paid["calls"] == 1
    assert bench.provider().calls() == []


def test_answers_that_were_bought_before_are_used(bench: Bench) -> None:
    bench.provider(
        people=[
            {
                "work_email": "ada1@fernhill.example",
                "first_name": "ada",
                "last_name": "quill 1",
                "job_title": "head of pumps",
                "job_company_name": "fernhill",
                "likelihood": 9,
            }
        ]
    )
    spec = show(bench, [], [row(1, **{"Job Title": ""})], mode="disabled",
                enrichment=[bench.provider_step(want=["job_title"])])  # fmt: skip
    bench.run(spec)
    asked = len(bench.provider().calls())
    (lead,) = planned(bench, spec).leads
    assert asked and changes(lead)["title"] == (None, "Head Of Pumps") and not lead.open
    assert len(bench.provider().calls()) == asked


def test_what_an_interrupted_run_has_left_is_planned_and_named(bench: Bench) -> None:
    spec = show(bench, [], [row(number) for number in range(6)], config={"limits": {"batch_size": 2}})
    bench.marketo().add_fault(match="POST /rest/v1/leads.json", error="603", skip=1, times=1)
    bench.run(spec)
    gone = [key for key, status in bench.statuses().items() if status != "written"]
    found = by_key(planned(bench, spec))
    assert {key for key, lead in found.items() if lead.word == "create" and len(lead.changes) == 7} == set(gone)
    assert {key for key, lead in found.items() if not lead.sent and lead.places} == found.keys() - set(gone)
    with closing(sqlite3.connect(bench.state)) as state:
        state.execute("UPDATE leads SET status = 'sending', not_before = 9e9 WHERE key = ?", [f"email:{gone[0]}"])
        state.commit()
    plan = planned(bench, spec)
    assert by_key(plan)[gone[0]].word == "create"
    assert any("1 lead is on the way" in note for note in plan.notes)


def test_leads_that_failed_before_are_counted_and_stay(bench: Bench) -> None:
    spec = show(bench, [], [row(1, Heat="Tepid"), row(2)])
    bench.run(spec)
    plan = planned(bench, spec)
    assert (plan.leads, plan.waiting) == ([], 1)


def test_who_cannot_be_looked_up_is_named(bench: Bench) -> None:
    """A comma cannot be asked for at Marketo, and a write by it finds whoever has it."""
    spec = show(bench, [], [row(1, Badge="7,7")], fields={"email": "lead.email"}, mapping={},
                matching=[{"by": "badgeId", "value": "lead.badge_id"}])  # fmt: skip
    plan = planned(bench, spec)
    assert any("cannot be asked by the key of email:ada1@fernhill.example" in note for note in plan.notes)


# Promises -------------------------------------------------------------------------------------------------------------


def test_planning_only_reads(bench: Bench) -> None:
    spec = show(bench, [], [row(1)])
    assert planned(bench, spec).leads and not bench.state.exists()
    bench.run(spec)
    bench.leads([row(1), row(2)])
    before, people, seen = bench.state.read_bytes(), bench.people(), len(bench.marketo().calls("/rest/"))
    assert by_key(planned(bench, spec))["ada2@fernhill.example"].word == "create"
    assert (bench.state.read_bytes(), bench.people()) == (before, people)
    made = [call["request"] for call in bench.marketo().calls("/rest/")[seen:]]
    assert made and all(request.startswith("GET ") for request in made), made
    wal = bench.state.with_name("state.db-wal")
    assert not wal.exists() or not wal.stat().st_size


def test_calls_are_counted_beside_what_the_day_leaves(bench: Bench) -> None:
    spec = show(bench, [], [row(number) for number in range(5)],
                config={"limits": {"batch_size": 2, "daily": 60}})  # fmt: skip
    plan = planned(bench, spec)
    assert {name: plan.calls[name] for name in ("look-up", "write", "membership")} == {
        "look-up": 3, "write": 3, "membership": 6,
    }  # fmt: skip
    assert plan.calls["set-up"] > 2 and plan.left_today is not None and not plan.too_many_calls
    seen = len(bench.marketo().calls("/rest/"))
    bench.run(spec)
    assert len(bench.marketo().calls("/rest/")) - seen == plan.all_calls


def test_standard_input_is_planned_with_and_without_providers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for enrichment in ([], [bench.provider_step(want=["city"])]):
        spec = show(bench, [], [row(1, City="")], enrichment=enrichment)
        text = io.TextIOWrapper(io.BytesIO((bench.folder / "leads.csv").read_bytes()))
        monkeypatch.setattr(sys, "stdin", text)
        plan = planned(bench, spec, "-")
        assert (plan.source, len(plan.leads)) == ("standard input", 1)


def test_what_keeps_a_run_from_starting_keeps_a_plan_from_it(bench: Bench, tmp_path: Path) -> None:
    spec = show(bench, [], [row(1)])
    bench.secret("secret", "wrong")
    with pytest.raises(CredentialsError):
        planned(bench, spec)
    bench.secret("secret", "sandbox-secret")
    bench.state.parent.mkdir()
    bench.state.write_bytes(b"this is no state")
    with pytest.raises(EnvironmentFault, match="state") as error:
        planned(bench, spec)
    assert error.value.where == str(bench.state)
