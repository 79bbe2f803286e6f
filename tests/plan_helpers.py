"""What the tests of plans share: a show with people who are known and rows that were scanned, and a plan held against
what a run then leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import specs
from engine.planning.hold import guard_of
from engine.planning.make import make
from engine.planning.records import Plan, PlannedLead, load, save
from engine.run import Summary
from tests.conftest import Bench

MAPPING = {
    "qualifiers": {"Heat": {"field": "leadType", "options": {"Hot": "A", "Warm": "B"}}},
    "programs": [{"program_id": 1107, "status": "Registered", "event": "Expo"}],
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


def row(number: int, **changes: str) -> dict[str, str]:
    found = {"First Name": "Ada", "Last Name": f"Quill {number}", "Company": "Fernhill", "City": "Leeds",
             "E-mail": f"ada{number}@fernhill.example", "Job Title": "Buyer", "Heat": "Hot"}  # fmt: skip
    return found | changes


def show(bench: Bench, people: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, str]], **changes: Any) -> Path:
    """The spec of a show at Marketo: who is there already, and who was scanned."""
    bench.marketo(leads=list(people))
    bench.leads(rows)
    return bench.spec(**{"source": SOURCE, "mapping": MAPPING, "fields": FIELDS, **changes})


def planned(bench: Bench, spec: Path, source: str | None = None, **settings: Any) -> Plan:
    """What `engine plan` works out."""
    return make(specs.load(spec), bench.plugins, bench.state, source, **{"now": bench.clock.now, **settings})[0]


def by_key(plan: Plan) -> dict[str, PlannedLead]:
    return {lead.key.removeprefix("email:"): lead for lead in plan.leads}


def changes(lead: PlannedLead) -> dict[str, tuple[Any, Any]]:
    """What a record holds and gets, by field."""
    return {change.field: (change.old, change.new) for change in lead.changes}


def saved(bench: Bench, spec: Path) -> Path:
    """A plan in a file."""
    path = bench.folder / "plan.json"
    save(planned(bench, spec), path)
    return path


def run_planned(bench: Bench, spec: Path, path: Path) -> Summary:
    """What `engine run --plan` does. Raises PlanChanged."""
    guard = guard_of(path, specs.load(spec), bench.plugins, bench.state, now=bench.clock.now)
    return bench.run(spec, guard=guard)


def values(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record holds that is not the vendor's own. Blank is as good as absent, a number as its text.

    Addresses have no letter case.
    """
    own = {"id", "createdAt", "updatedAt", "createdById", "updatedById", "campaignId", "recentInteraction", "score",
           "isDeleted"}  # fmt: skip
    held = {name: str(value) for name, value in record.items() if name not in own and value not in (None, "", [])}
    return {name: value.lower() if name == "email" else value for name, value in held.items()}


def records(bench: Bench, vendor: str = "marketo") -> dict[str, dict[str, Any]]:
    """All records of a vendor by id."""
    found = bench.marketo().state()["leads"] if vendor == "marketo" else bench.pardot().state()["prospects"]
    return {str(record["id"]): dict(record) for record in found}


def places(bench: Bench) -> dict[str, set[tuple[str, str]]]:
    """Programs with status, and lists, by the record at Marketo."""
    state = bench.marketo().state()
    found: dict[str, set[tuple[str, str]]] = {}
    for member in state["members"]:
        found.setdefault(str(member["leadId"]), set()).add((str(member["programId"]), member["statusName"]))
    for target, ids in state["lists"].items():
        for id in ids:
            found.setdefault(str(id), set()).add((str(target), ""))
    return found


def carried_out(bench: Bench, spec: Path, path: Path, vendor: str = "marketo") -> Plan:
    """Run a saved plan, and see that the vendor then holds what was planned, field by field, and nothing else."""
    plan, before = load(path), records(bench, vendor)
    given = places(bench) if vendor == "marketo" else {}
    done = run_planned(bench, spec, path)
    assert done.exit_code == (1 if plan.counts["fail"] or plan.waiting else 0), done.message
    wanted = {id: values(each) for id, each in _changed(plan, before).items()}
    after = {id: values(each) for id, each in records(bench, vendor).items()}
    new = {id: each for id, each in after.items() if id not in before}
    assert {id: each for id, each in after.items() if id in before} == {
        id: each for id, each in wanted.items() if id in before
    }
    made = {id: each for id, each in wanted.items() if id not in before}
    assert sorted(map(_sortable, new.values())) == sorted(map(_sortable, made.values()))
    failures = {key: code for key, code in bench.failures().items() if key in by_key(plan)}
    assert {key: lead.code for key, lead in by_key(plan).items() if lead.word == "fail"} == failures
    if vendor == "marketo":
        ids = {name: id for name, each in made.items() for id, found in new.items() if found == each}
        for lead in plan.leads:
            for place in lead.places:
                held = given.setdefault(ids.get(lead.record, lead.record), set())
                if not place.kept:
                    held -= {each for each in held if each[0] == place.target}
                    held.add((place.target, place.status))
        assert given == places(bench)
    return plan


def _changed(plan: Plan, before: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The records as the plan leaves them. Of several changes of a field, each takes up what the last one left."""
    found = {id: dict(record) for id, record in before.items()}
    found |= {lead.record: {} for lead in plan.leads if lead.record and lead.record not in found}
    left = [(lead.record, change) for lead in plan.leads for change in lead.changes]
    while left:
        record, change = ready = next(
            each for each in left if (each[1].old or None) == (found[each[0]].get(each[1].field) or None)
        )
        left.remove(ready)
        found[record][change.field] = change.new
    return found


def _sortable(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted(record.items())
