"""engine run --plan: what was planned is done, or nothing is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import specs
from engine.planning.compare import PlanChanged
from engine.planning.hold import guard_of
from tests.conftest import Bench
from tests.plan_helpers import by_key, carried_out, planned, row, run_planned, saved, show

Planned = tuple[Path, Path]


@pytest.fixture
def plan(bench: Bench) -> Planned:
    """A spec and its saved plan, of one person who is known and one who is new."""
    people = [{"email": "ada1@fernhill.example", "firstName": "Ada", "city": "Ulm"}]
    spec = show(bench, people, [row(1), row(2)])
    return spec, saved(bench, spec)


def _other_city(bench: Bench, spec: Path) -> None:
    bench.marketo().world.update(bench.people()["ada1@fernhill.example"]["id"], {"city": "Oslo"})


def _filled_blank(bench: Bench, spec: Path) -> None:
    bench.marketo().world.update(bench.people()["ada1@fernhill.example"]["id"], {"company": "Her own"})


def _deleted(bench: Bench, spec: Path) -> None:
    bench.marketo().world.delete(bench.people()["ada1@fernhill.example"]["id"])


def _created(bench: Bench, spec: Path) -> None:
    bench.marketo().world.insert({"email": "ada2@fernhill.example", "lastName": "Hers"})


def _more_rows(bench: Bench, spec: Path) -> None:
    bench.leads([row(1), row(2), row(3)])


def _other_spec(bench: Bench, spec: Path) -> None:
    spec.write_text(spec.read_text("utf-8").replace("lead.job_title", "lead.job_title | upper"), "utf-8")


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (_other_city, ["city was to change from 'Ulm' to 'Leeds', and now it is 'Oslo'"]),
        (_filled_blank, ["company was to become 'Fernhill', and is no longer written"]),
        (_deleted, ["ada1@fernhill.example: update (record 1) was planned, and now it is create"]),
        (_created, ["ada2@fernhill.example: create was planned, and now it is update (record 2)"]),
        (_more_rows, ["the source has changed", "ada3@fernhill.example: was not planned, and now it is create"]),
        (_other_spec, ["the spec has changed", "title was to become 'Buyer', and now 'BUYER'"]),
    ],
)
def test_what_has_changed_since_is_said_and_nothing_is_sent(
    bench: Bench, plan: Planned, happens: Callable[[Bench, Path], None], said: list[str]
) -> None:
    spec, path = plan
    happens(bench, spec)
    before = bench.people()
    with pytest.raises(PlanChanged) as error:
        run_planned(bench, spec, path)
    assert error.value.exit_code == 2 and "Nothing was sent" in str(error.value)
    for text in said:
        assert text in str(error.value)
    assert bench.people() == before and bench.writes() == [] and not bench.state.exists()


def test_a_hundred_changes_are_counted_and_twenty_are_shown(bench: Bench) -> None:
    spec = show(bench, [], [row(number) for number in range(30)])
    path = saved(bench, spec)
    for number in range(30):
        bench.marketo().world.insert({"email": f"ada{number}@fernhill.example", "lastName": "Hers"})
    with pytest.raises(PlanChanged, match="30 things have changed") as error:
        run_planned(bench, spec, path)
    assert "and 10 more" in str(error.value) and str(error.value).count("create was planned") == 20


def test_what_is_so_by_now_as_it_was_planned_is_in_order(bench: Bench, plan: Planned) -> None:
    spec, path = plan
    bench.marketo().world.update(bench.people()["ada1@fernhill.example"]["id"], {"city": "Leeds", "title": "Buyer"})
    assert run_planned(bench, spec, path).exit_code == 0
    assert bench.people()["ada1@fernhill.example"]["lastName"] == "Quill 1"


@pytest.mark.parametrize(
    ("was", "becomes"), [("Buyer", "Thief"), ("ada2@fernhill.example", "eve@fernhill.example"), ("Warm", "Hot")]
)
def test_what_changes_between_looking_and_writing_is_not_sent(bench: Bench, was: str, becomes: str) -> None:
    """Also where the plan says that the field stays as it is."""
    spec = show(bench, [{"email": "ada1@fernhill.example", "title": "Buyer"}], [row(1), row(2, Heat="Warm")])
    guard = guard_of(saved(bench, spec), specs.load(spec), bench.plugins, bench.state, now=bench.clock.now)
    source = bench.folder / "leads.csv"
    source.write_text(source.read_text("utf-8").replace(was, becomes), "utf-8")
    done = bench.run(spec, guard=guard)
    assert (done.exit_code, done.status) == (2, "aborted")
    assert "this was not planned" in done.message
    assert bench.writes() == []
    assert set(bench.statuses().values()) <= {"mapped", "matched"}, "the run can go on"
    assert carried_out(bench, spec, saved(bench, spec)).counts["fail"] == 0


def test_a_place_that_was_not_planned_is_not_given(bench: Bench, plan: Planned) -> None:
    spec, path = plan
    guard = guard_of(path, specs.load(spec), bench.plugins, bench.state, now=bench.clock.now)
    spec.write_text(spec.read_text("utf-8").replace('"Registered"', '"Attended"'), "utf-8")
    done = bench.run(spec, guard=guard)
    assert done.exit_code == 2 and "would be put in 1107 as Attended" in done.message
    assert bench.marketo().state()["members"] == []


@pytest.mark.parametrize("fault", [
    {"match": "POST /rest/v1/leads.json", "error": "603", "skip": 1},
    {"match": "POST /rest/v1/programs", "error": "603", "skip": 1},
    {"match": "POST /rest/v1/lists", "error": "603"},
])  # fmt: skip
def test_an_interrupted_run_goes_on_as_planned(bench: Bench, fault: dict[str, Any]) -> None:
    known = [{"email": "ada0@fernhill.example", "city": "Ulm"}, {"email": "ada4@fernhill.example", "title": "Chief"}]
    spec = show(bench, known, [row(number) for number in range(6)], config={"limits": {"batch_size": 2}})
    path = saved(bench, spec)
    bench.marketo().add_fault(**fault, times=1)
    assert run_planned(bench, spec, path).exit_code == 4
    begun = bench.people()
    assert len(begun) > 2
    assert run_planned(bench, spec, path).exit_code == 0
    people = bench.people()
    assert len(people) == 6 and {each["city"] for each in people.values()} == {"Leeds"}
    assert set(bench.statuses().values()) == {"cleared"}
    assert planned(bench, spec).leads == []


def test_an_interrupted_run_does_not_go_on_where_the_rest_has_changed(bench: Bench) -> None:
    rows = [row(number) for number in range(4)]
    one_by_one = {"limits": {"batch_size": 2, "concurrency": 1}}
    spec = show(bench, [{"email": "ada3@fernhill.example", "city": "Ulm"}], rows, config=one_by_one)
    path = saved(bench, spec)
    bench.marketo().add_fault(match="POST /rest/v1/leads.json", error="603", skip=1, times=1)
    run_planned(bench, spec, path)
    bench.marketo().world.update(bench.people()["ada3@fernhill.example"]["id"], {"city": "Oslo"})
    writes = len(bench.writes())
    with pytest.raises(PlanChanged, match="now it is 'Oslo'"):
        run_planned(bench, spec, path)
    assert len(bench.writes()) == writes


def test_a_mode_that_holds_leads_holds_them_with_a_plan_too(bench: Bench) -> None:
    spec = show(bench, [], [row(1)], mode="manual")
    assert run_planned(bench, spec, saved(bench, spec)).exit_code == 0
    assert (bench.people(), bench.statuses()) == ({}, {"ada1@fernhill.example": "frozen"})


def test_what_was_held_is_sent_as_planned_once_the_mode_is_automatic(bench: Bench) -> None:
    spec = show(bench, [], [row(1), row(2)], mode="manual")
    bench.run(spec)
    spec.write_text(spec.read_text("utf-8").replace('"manual"', '"automatic"'), "utf-8")
    assert carried_out(bench, spec, saved(bench, spec)).counts["create"] == 2


def test_what_providers_fill_in_is_not_held_to_the_plan(bench: Bench) -> None:
    bench.provider(people=[{"work_email": "ada1@fernhill.example", "first_name": "ada", "last_name": "quill 1",
                            "job_title": "head of pumps", "job_company_name": "fernhill",
                            "likelihood": 9}])  # fmt: skip
    spec = show(bench, [], [row(1, **{"Job Title": ""}), row(2)],
                enrichment=[bench.provider_step(want=["job_title"])])  # fmt: skip
    path = saved(bench, spec)
    assert "title" in by_key(planned(bench, spec))["ada1@fernhill.example"].depends
    assert run_planned(bench, spec, path).exit_code == 0
    assert bench.people()["ada1@fernhill.example"]["title"] == "Head Of Pumps"


def test_a_plan_is_for_one_integration_at_one_account(bench: Bench, plan: Planned) -> None:
    _, path = plan
    other = show(bench, [], [row(1)], name="other")
    with pytest.raises(PlanChanged, match="the plan is for expo at"):
        run_planned(bench, other, path)
