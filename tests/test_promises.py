"""What the engine promises when the vendor's answers are lost, broken or refusals: nobody twice, nothing lost."""

from __future__ import annotations

from typing import Any

import pytest

WRITE = {"marketo": "POST /rest/v1/leads.json", "pardot": "upsertLatestByEmail"}
VENDORS = pytest.mark.parametrize("vendor", ["marketo", "pardot"])


def _delivered(bench: Any, vendor: str, count: int) -> None:
    """Everybody is there, once, with their values."""
    assert set(bench.statuses().values()) == {"cleared"}
    assert getattr(bench, vendor)().state()["duplicates"] == []
    people = bench.people(vendor)
    assert {email: found["firstName"] for email, found in people.items()} == {
        f"ada{number}@kestrel.example": f"Ada{number}" for number in range(count)
    }


def _outcomes(bench: Any) -> list[str]:
    return [status for (status,) in bench.sql("SELECT status FROM outcomes ORDER BY id")]


# Lost answers -------------------------------------------------------------------------------------------------------


@VENDORS
def test_a_write_whose_answer_is_lost_is_looked_up_and_not_repeated(vendor: str, bench: Any, person: Any) -> None:
    getattr(bench, vendor)(faults=[{"match": WRITE[vendor], "drop": "after"}])
    bench.leads([person(number) for number in range(3)])
    assert bench.run(bench.spec(vendor)).exit_code == 0
    _delivered(bench, vendor, 3)
    assert len(bench.writes(vendor)) == (1 if vendor == "marketo" else 3)
    assert "unknown" in _outcomes(bench)
    assert bench.clock.waited > 0.2


@VENDORS
def test_a_write_that_never_arrived_is_sent_again_once_that_is_known(vendor: str, bench: Any, person: Any) -> None:
    box = getattr(bench, vendor)(faults=[{"match": WRITE[vendor], "drop": "before"}])
    bench.leads([person(0)])
    assert bench.run(bench.spec(vendor)).exit_code == 0
    _delivered(bench, vendor, 1)
    reads = [call["request"].split(" ")[0] for call in box.calls(r"(leads\.json|/prospects)")]
    assert reads == ["POST", "GET", "POST"]


@VENDORS
@pytest.mark.parametrize(
    "fault",
    [
        {"empty": True},
        {"truncate": True},
        {"status": 200, "body": "<html><body>please sign in</body></html>"},
        {"error": "500"},
        {"error": "502"},
        {"status": 503, "body": ""},
    ],
    ids=["empty", "truncated", "html", "500", "502", "503"],
)
def test_an_answer_that_is_none_makes_the_outcome_unknown_and_creates_nobody_twice(
    fault: dict[str, Any], vendor: str, bench: Any, person: Any
) -> None:
    getattr(bench, vendor)(faults=[{"match": WRITE[vendor], "times": 2, **fault}])
    bench.leads([person(number) for number in range(4)])
    summary = bench.run(bench.spec(vendor))
    assert (summary.exit_code, summary.totals["cleared"]) == (0, 4)
    _delivered(bench, vendor, 4)


def test_a_lead_whose_calls_are_never_answered_fails_alone_and_a_retry_delivers_it(bench: Any, person: Any) -> None:
    lost = {"match": WRITE["marketo"], "contains": "ada7@", "drop": "before", "times": -1}
    box = bench.marketo(faults=[lost])
    bench.leads([person(number) for number in range(40)])
    spec = bench.spec(config={"limits": {"batch_size": 40}})
    assert bench.run(spec).exit_code == 1
    assert bench.failures() == {"ada7@kestrel.example": "UNKNOWN_OUTCOME"}
    box.faults.clear()
    assert bench.retry(spec).exit_code == 0
    _delivered(bench, "marketo", 40)


def test_many_calls_that_are_never_answered_end_the_run_with_5_and_the_next_one_delivers(
    bench: Any, person: Any
) -> None:
    box = bench.pardot(faults=[{"match": WRITE["pardot"], "drop": "before", "times": -1}])
    bench.leads([person(number) for number in range(40)])
    spec = bench.spec("pardot", config={"limits": {"concurrency": 2}})
    summary = bench.run(spec)
    assert (summary.exit_code, summary.totals["presync"]) == (5, 40)
    assert len(bench.writes("pardot")) < 12
    box.faults.clear()
    assert bench.run(spec).exit_code == 0
    _delivered(bench, "pardot", 40)


# Limits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("vendor", "code"), [("marketo", "606"), ("marketo", "608"), ("marketo", "615"),
                                              ("pardot", "66"), ("pardot", "202"), ("pardot", "62")])  # fmt: skip
def test_a_limit_that_passes_is_waited_for(vendor: str, code: str, bench: Any, person: Any) -> None:
    getattr(bench, vendor)(faults=[{"match": WRITE[vendor], "error": code, "times": 2}])
    bench.leads([person(number) for number in range(3)])
    assert bench.run(bench.spec(vendor)).exit_code == 0
    _delivered(bench, vendor, 3)
    assert bench.clock.waited >= 1
    assert "unknown" not in _outcomes(bench)


@pytest.mark.parametrize(("vendor", "code"), [("marketo", "607"), ("pardot", "122")])
def test_a_spent_quota_ends_the_run_with_5_and_the_next_one_finishes(
    vendor: str, code: str, bench: Any, person: Any
) -> None:
    box = getattr(bench, vendor)(faults=[{"match": WRITE[vendor], "error": code, "times": -1, "skip": 1}])
    bench.leads([person(number) for number in range(4)])
    limits = {"concurrency": 1} | ({"batch_size": 1} if vendor == "marketo" else {})
    spec = bench.spec(vendor, config={"limits": limits})
    ended = bench.run(spec)
    assert (ended.exit_code, ended.totals["cleared"], ended.totals["presync"]) == (5, 1, 3)
    assert "quota" in ended.message.lower()
    box.faults.clear()
    bench.clock.advance(86_400)
    assert bench.run(spec).exit_code == 0
    _delivered(bench, vendor, 4)


def test_a_spent_quota_pauses_the_account_until_it_is_given_anew(bench: Any, person: Any) -> None:
    box = bench.marketo(faults=[{"match": WRITE["marketo"], "error": "607"}])
    bench.leads([person(number) for number in range(4)])
    assert bench.run(bench.spec()).exit_code == 5
    asked = len(box.calls("/rest/"))
    paused = bench.run()
    assert (paused.exit_code, len(box.calls("/rest/"))) == (5, asked)
    assert "paused until" in paused.message and "America/Chicago" in paused.message


def test_the_declared_limits_are_kept_across_runs(bench: Any, person: Any) -> None:
    # In real time: a clock that jumps while a call is on its way would bring it into another window.
    box = bench.marketo(rate={"calls": 6, "window": 0.5})
    spec = bench.spec(config={"limits": {"calls": 6, "window": 0.7, "batch_size": 1}})
    for count in (4, 9):
        bench.leads([person(number) for number in range(count)])
        assert bench.run(spec, real_time=True).exit_code == 0
    _delivered(bench, "marketo", 9)
    assert "606" not in box.statistics()["errors"]


def test_the_declared_quota_of_a_day_ends_the_run_with_5(bench: Any, person: Any) -> None:
    bench.leads([person(number) for number in range(5)])
    spec = bench.spec(config={"limits": {"daily": 4, "batch_size": 1, "concurrency": 1}})
    assert bench.run(spec).exit_code == 5
    bench.clock.advance(86_400)
    bench.spec(config={"limits": {"daily": 50, "batch_size": 1}})
    assert bench.run(spec).exit_code == 0
    _delivered(bench, "marketo", 5)


# Credentials and connections ----------------------------------------------------------------------------------------


def test_a_token_that_is_revoked_in_the_middle_is_renewed(bench: Any, person: Any) -> None:
    box = bench.marketo(latency={"write": 0.001})
    revoked: list[float] = []

    def revoke_once(seconds: float) -> None:
        if not revoked:
            revoked.append(seconds)
            box.revoke_tokens()

    box.pause = revoke_once
    bench.leads([person(number) for number in range(12)])
    assert bench.run(bench.spec(config={"limits": {"batch_size": 2, "concurrency": 1}})).exit_code == 0
    _delivered(bench, "marketo", 12)
    assert len(box.calls("oauth/token")) == 2


def test_a_pardot_token_that_is_refused_in_the_middle_is_renewed(bench: Any, person: Any) -> None:
    box = bench.pardot(faults=[{"match": WRITE["pardot"], "error": "184", "skip": 2}])
    bench.leads([person(number) for number in range(6)])
    assert bench.run(bench.spec("pardot", config={"limits": {"concurrency": 1}})).exit_code == 0
    _delivered(bench, "pardot", 6)
    assert len(box.calls("oauth2/token")) == 2


def test_a_permission_that_is_withdrawn_in_the_middle_keeps_the_rest_in_presync(bench: Any, person: Any) -> None:
    box = bench.marketo(faults=[{"match": WRITE["marketo"], "error": "603", "skip": 1, "times": -1}])
    bench.leads([person(number) for number in range(6)])
    spec = bench.spec(config={"limits": {"batch_size": 2, "concurrency": 1}})
    summary = bench.run(spec)
    assert (summary.exit_code, summary.totals["cleared"], summary.totals["presync"]) == (4, 2, 4)
    assert len(bench.writes()) == 2
    box.faults.clear()
    assert bench.run(spec).exit_code == 0
    _delivered(bench, "marketo", 6)


def test_a_vendor_that_is_not_there_costs_nothing_but_the_run(bench: Any, person: Any) -> None:
    bench.leads([person(0)])
    box = bench.marketo(faults=[{"status": 503, "body": "", "times": -1}])
    summary = bench.run(bench.spec())
    assert (summary.exit_code, summary.totals["presync"]) == (5, 1)
    box.faults.clear()
    assert bench.run().exit_code == 0
    _delivered(bench, "marketo", 1)


# Same in, same out --------------------------------------------------------------------------------------------------


@VENDORS
def test_the_same_input_and_spec_send_the_same_bytes(vendor: str, bench: Any, person: Any) -> None:
    bench.leads([person(number, Phone="(415) 555-0199", Country="US", Event="Expo 2026") for number in range(25)])
    limits = {"concurrency": 1} | ({"batch_size": 4} if vendor == "marketo" else {})
    fields = {"email": "lead.email", "firstName": "lead.first_name | upper", "company": "lead.company",
              "phone": "lead.phone", "country": "lead.country"}  # fmt: skip
    mapping = {"programs": [{"program_id": 1107, "status": "Member"}]} if vendor == "marketo" else {}
    sent = []
    for number in range(2):
        bench.state = bench.folder / f"state{number}" / "state.db"
        spec = bench.spec(vendor, enrichment=[{"use": "normalize"}, {"use": "email_domain"}], fields=fields,
                          mapping=mapping, config={"limits": limits})  # fmt: skip
        assert bench.run(spec).exit_code == 0
        # Persons and memberships are written at the same time, so each kind of call has an order of its own.
        found: dict[str, list[str]] = {}
        for call in bench.writes(vendor):
            found.setdefault(call["request"], []).append(call["body"])
        sent.append(found)
        bench.fresh(vendor)
    assert sent[0] == sent[1]
    assert len(sent[0]) == (2 if vendor == "marketo" else 1)
