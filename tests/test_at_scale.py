"""Large runs behind the vendor's own limits: none is exceeded, nobody is doubled, and faults change nothing at the end.

The sandbox's time runs `speed` times faster than Marketo's, and so does the spec's rate window. The batches are small
in the short form, so that it makes two thirds of the calls of a run of 30,000 leads.
"""

from __future__ import annotations

from typing import Any

import pytest

WINDOW = 20.0
#: Longer than any write of the sandbox takes.
SETTLE = 5.0
PROGRAMS = {"programs": [{"program_id": 1107, "status": "Registered"}]}
FAULTS = [
    {"match": "POST /rest/v1/(leads|programs)", "drop": "after", "share": 0.05, "times": -1},
    # A token that dies is everybody's, so that each of these is met by several calls: three in ten in all.
    {"match": "/rest/", "error": "602", "share": 0.12, "times": -1},
]
SIZES = [
    pytest.param(1_680, 24, 6.0, id="1680-leads-in-small-batches"),
    pytest.param(30_000, 300, 4.0, id="30000-leads", marks=pytest.mark.torture),
]


def _run(bench: Any, person: Any, count: int, batch: int, speed: float, **seed: Any) -> Any:
    bench.marketo(rate={"calls": 100, "window": WINDOW}, speed=speed, latency="recorded", **seed)
    bench.leads([person(number) for number in range(count)])
    limits = {"window": WINDOW / speed, "batch_size": batch}
    config = {"limits": limits, "settle_after": SETTLE / speed, "read_lag": 0}
    return bench.run(bench.spec(mapping=PROGRAMS, config=config), real_time=True)


def _stored(bench: Any) -> tuple[dict[str, Any], dict[str, str]]:
    state = bench.marketo().state()
    emails = {lead["id"]: lead["email"] for lead in state["leads"]}
    varying = {"id", "createdAt", "updatedAt"}
    people = {lead["email"]: {k: v for k, v in lead.items() if k not in varying} for lead in state["leads"]}
    return people, {emails[row["leadId"]]: row["statusName"] for row in state["members"]}


@pytest.mark.parametrize(("count", "batch", "speed"), SIZES)
def test_no_limit_is_exceeded_and_no_key_overlaps(
    bench: Any, person: Any, count: int, batch: int, speed: float
) -> None:
    summary = _run(bench, person, count, batch, speed)
    assert (summary.totals["cleared"], summary.written["memberships"]) == (count, count)
    seen = bench.marketo().statistics()
    # One refusal teaches the whole account to wait; a busy machine may bring a call late into the next window.
    assert sum(seen["errors"].get(code, 0) for code in ("606", "607", "615")) <= 1
    assert seen["most_in_window"] <= 100 and seen["most_in_flight"] <= 10
    assert (seen["duplicates"], seen["overlapping_keys"]) == ([], [])


@pytest.mark.parametrize(("count", "batch", "speed"), [pytest.param(720, 24, 8.0, id="720-leads"), SIZES[1]])
def test_lost_answers_and_dying_tokens_change_nothing_at_the_end(
    bench: Any, person: Any, count: int, batch: int, speed: float
) -> None:
    summary = _run(bench, person, count, batch, speed, faults=FAULTS)
    assert (summary.totals["cleared"], summary.totals["presync"], summary.exit_code) == (count, 0, 0)
    seen = bench.marketo().statistics()
    assert seen["errors"]["601"] + seen["errors"]["602"] > 0.3 * seen["calls"]
    assert (seen["duplicates"], seen["overlapping_keys"]) == ([], [])
    disturbed = _stored(bench)
    bench.fresh("marketo")
    bench.state.unlink()
    for name in ("state.db-wal", "state.db-shm"):
        (bench.state.parent / name).unlink(missing_ok=True)
    _run(bench, person, count, batch, speed)
    assert disturbed == _stored(bench)


# Pardot ---------------------------------------------------------------------------------------------------------

PARDOT_FAULTS = [
    {"match": "upsertLatestByEmail", "drop": "after", "share": 0.05, "times": -1},
    {"match": "/api/v5/", "error": "184", "share": 0.03, "times": -1},
]
PARDOT_SIZES = [pytest.param(200, id="200-leads"), pytest.param(5_000, id="5000-leads", marks=pytest.mark.torture)]


def _spec(bench: Any, name: str, source: str) -> Any:
    return bench.spec("pardot", name=name, source={"path": source}, config={"settle_after": 0.3})


@pytest.mark.parametrize("count", PARDOT_SIZES)
def test_two_integrations_on_one_pardot_connection_double_nobody(bench: Any, person: Any, count: int) -> None:
    """Addresses may be shared there, so that two overlapping first writes of one would make two prospects."""
    box = bench.pardot(latency=0.004, faults=PARDOT_FAULTS)
    bench.leads([person(number) for number in range(count)], "one.csv")
    bench.leads([person(number) for number in range(count // 2, count + count // 4)], "two.csv")
    runs = {name: bench.start("run", _spec(bench, name, f"{name}.csv"), "--wait", 600) for name in ("one", "two")}
    for name, process in runs.items():
        _, told = process.communicate(timeout=540)
        assert process.returncode == 0, (name, told)
    seen = box.statistics()
    assert seen["most_in_flight"] <= 5 and "66" not in seen["errors"]
    assert (seen["duplicates"], seen["overlapping_keys"]) == ([], [])
    assert seen["errors"]["184"] >= 1
    for name, leads in (("one", count), ("two", count + count // 4 - count // 2)):
        totals = bench.conserved(name)
        assert (totals["cleared"], totals["captured"]) == (leads, leads)
    assert len(bench.people("pardot")) == count + count // 4
