"""The waterfall with the paid provider's sandbox: what it adds, what it never touches, what it costs."""

from __future__ import annotations

from typing import Any


def _known(*numbers: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        {
            "first_name": f"ada{number}", "last_name": f"lindqvist{number}", "job_title": f"planner {number}",
            "full_name": f"ada{number} lindqvist{number}", "job_company_name": f"kestrel {number}",
            "work_email": f"ada{number}@kestrel.example", **changes,
        }
        for number in numbers
    ]  # fmt: skip


def test_an_address_that_the_provider_finds_makes_a_lead_deliverable(bench: Any, person: Any) -> None:
    bench.provider(people=_known(1, 2))
    bench.leads([person(number, Email="") for number in (1, 2, 3)])
    summary = bench.run(bench.spec(enrichment=[bench.provider_step(want=["email", "job_title"])]))
    assert (summary.exit_code, summary.totals["cleared"]) == (1, 2)
    assert list(bench.failures().values()) == ["MISSING_MATCH_KEY"]
    assert bench.people()["ada1@kestrel.example"]["title"] == "Planner 1"
    (paid,) = summary.paid
    assert (paid["calls"], paid["answered"], paid["possibly_charged"], paid["cost"]) == (3, 3, 0, 2)
    (values,) = bench.sql("SELECT count(*), min(provider), min(confidence) FROM enriched_values")
    assert values == (4, "people_data_labs", 0.7)


def test_what_was_captured_is_never_overwritten(bench: Any, person: Any) -> None:
    bench.provider(people=_known(1, job_company_name="somebody else", location_country="norway"))
    bench.leads([person(1, Title="Head Buyer", Country="")])
    step = bench.provider_step(want=["company", "job_title", "country"])
    bench.run(bench.spec(enrichment=[step], fields={"email": "lead.email", "company": "lead.company",
                                                    "title": "lead.job_title", "country": "lead.country"}))  # fmt: skip
    (found,) = bench.people().values()
    assert (found["company"], found["title"], found["country"]) == ("Kestrel 1", "Head Buyer", "Norway")
    assert [field for (field,) in bench.sql("SELECT field FROM enriched_values")] == ["country"]


def test_the_budget_of_a_run_is_kept_and_said(bench: Any, person: Any) -> None:
    bench.provider(people=_known(*range(6)))
    bench.leads([person(number, Email="") for number in range(6)])
    spec = bench.spec(enrichment=[bench.provider_step(want=["email"], budget={"calls": 2})])
    summary = bench.run(spec)
    assert (len(bench.provider().calls()), summary.totals["cleared"], summary.totals["failed"]) == (2, 2, 4)
    assert [note for note in summary.notes if "budget" in note]
    assert set(bench.failures().values()) == {"MISSING_MATCH_KEY"}


def test_a_refused_key_leaves_the_provider_out_and_the_run_goes_on(bench: Any, person: Any) -> None:
    bench.provider(people=_known(*range(40)))
    bench.leads([person(number) for number in range(40)])
    bench.secret("key", "mistyped-key")
    summary = bench.run(bench.spec(enrichment=[bench.provider_step(want=["job_title"])]))
    assert (summary.exit_code, summary.totals["cleared"]) == (0, 40)
    (note,) = [note for note in summary.notes if "people_data_labs" in note]
    assert "api_key" in note and "mistyped-key" not in note
    assert len(bench.provider().calls()) <= 8
    assert bench.sql("SELECT count(*) FROM paid_calls WHERE state <> 'void'") == [(0,)]


def test_spent_credits_leave_the_provider_out_and_the_run_goes_on(bench: Any, person: Any) -> None:
    bench.provider(people=_known(*range(20)), credits=3)
    bench.leads([person(number) for number in range(20)])
    summary = bench.run(bench.spec(enrichment=[bench.provider_step(want=["job_title"])]))
    assert (summary.exit_code, summary.totals["cleared"]) == (0, 20)
    assert len([note for note in summary.notes if "credits" in note]) == 1
    assert summary.paid[0]["cost"] == 3


def test_an_answer_is_bought_once_for_all_runs_and_integrations(bench: Any, person: Any) -> None:
    bench.provider(people=_known(1, 2))
    bench.leads([person(number, Email="", Badge=f"{badge}{number}") for number in (1, 2, 3) for badge in "ab"])
    columns = {"columns": {"Badge": "badge_id"}}
    step = bench.provider_step(want=["email"])
    bench.run(bench.spec(enrichment=[step], source=columns, identity=["badge", "name"]))
    bench.run(bench.spec(name="summit", enrichment=[step]), path=str(bench.folder / "leads.csv"))
    asked = [tuple(sorted(call["query"].items())) for call in bench.provider().calls()]
    assert len(asked) == len(set(asked)) == 3


def test_a_provider_that_answers_badly_is_asked_again_or_passed_by(bench: Any, person: Any) -> None:
    match = "person/enrich"
    bench.provider(people=_known(1, 2, 3), faults=[
        {"match": match, "error": "rate_limit_error"}, {"match": match, "status": 503, "body": "<html>busy</html>"},
        {"match": match, "drop": "after"}, {"match": match, "truncate": True},
    ])  # fmt: skip
    bench.leads([person(number) for number in (1, 2, 3)])
    step = bench.provider_step(want=["job_title"], config={"limits": {"concurrency": 1}})
    summary = bench.run(bench.spec(enrichment=[step]))
    assert (summary.exit_code, summary.totals["cleared"]) == (0, 3)
    (paid,) = summary.paid
    # What was not refused may have been charged, so it is shown and not asked for again.
    assert paid["possibly_charged"] == 2
    assert len(bench.provider().calls()) == 5


def test_a_run_that_ends_early_keeps_what_was_bought_and_buys_nothing_again(bench: Any, person: Any) -> None:
    bench.provider(people=_known(*range(60)), faults=[{"times": -1, "delay": 0.01}])
    bench.marketo().add_fault(match=r"^(POST) /rest/v1/leads", error="603", times=-1)
    bench.leads([person(number) for number in range(60)])
    spec = bench.spec(enrichment=[bench.provider_step(want=["job_title"])])
    first = bench.run(spec, real_time=True)
    assert first.exit_code == 4
    assert bench.sql("SELECT count(*) FROM paid_calls WHERE state = 'open'") == [(0,)]
    bench.marketo().faults.clear()
    second = bench.run(spec, real_time=True)
    assert (second.exit_code, second.totals["cleared"]) == (0, 60)
    assert len(bench.provider().calls("person/enrich")) == 60
    assert bench.sql("SELECT count(*), sum(state = 'answered') FROM paid_calls WHERE state <> 'void'") == [(60, 60)]
