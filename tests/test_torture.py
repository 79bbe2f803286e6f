"""kill -9 at named points and at any instant, then the same command again: the same end as without."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CRASHING = Path(__file__).with_name("crashing.py")
RESTARTS = 6
LATENCY = 0.004

_QUEUE = "engine.state.queue:Queue"
_LEDGER = "engine.state.ledger:Ledger"
_MARKETO = "engine_marketo.vendor:MarketoVendor"
_PARDOT = "engine_pardot.vendor:PardotVendor"
_COMMIT = "engine.state.database:Database.transaction"


@dataclass(frozen=True)
class Case:
    """The kills of one story, in order: (method, which call, before or after), or a share of a whole run's time."""

    vendor: str
    kills: tuple[tuple[str, int, str] | float, ...] = field(default=())

    def __str__(self) -> str:
        words = [kill[0].rpartition(".")[2] + f"-{kill[1]}-{kill[2]}" if isinstance(kill, tuple) else f"{kill:.2f}"
                 for kill in self.kills]  # fmt: skip
        return f"{self.vendor}-{'-then-'.join(words)}"


def _moments(seed: int, count: int) -> tuple[float, ...]:
    chance = random.Random(seed)  # noqa: S311 - the same instants every time
    return tuple(chance.uniform(0.15, 1.0) for _ in range(count))


SHORT = [
    Case("marketo", (("engine.state.captures:Captures.save", 1, "after"), (f"{_LEDGER}.reserve", 2, "after"))),
    Case("marketo", ((f"{_MARKETO}.sync", 2, "after"), (f"{_MARKETO}.enroll", 1, "after"))),
    Case("pardot", ((f"{_PARDOT}.sync", 30, "after"), 0.7)),
]
LONG = [
    Case("marketo", (("engine.state.captures:Captures.save", 1, "before"), (f"{_QUEUE}.save_mapped", 1, "before"))),
    Case("marketo", ((f"{_LEDGER}.settle", 2, "before"), (f"{_LEDGER}.settle", 1, "after"))),
    Case("marketo", ((f"{_LEDGER}.reserve", 1, "before"), (f"{_QUEUE}.save_enriched", 1, "before"))),
    Case("marketo", ((f"{_QUEUE}.save_enriched", 1, "after"), (f"{_QUEUE}.save_mapped", 2, "after"))),
    Case("marketo", ((f"{_QUEUE}.save_matched", 1, "before"), (f"{_QUEUE}.save_matched", 1, "after"))),
    Case("marketo", ((f"{_QUEUE}.hold", 1, "before"), (f"{_QUEUE}.hold", 2, "after"), (f"{_QUEUE}.hold", 3, "after"))),
    Case("marketo", ((f"{_MARKETO}.sync", 1, "before"), (f"{_MARKETO}.look_up", 1, "after"))),
    Case("marketo", ((f"{_QUEUE}.save_sent", 1, "before"), (f"{_QUEUE}.save_sent", 2, "after"))),
    Case("marketo", ((f"{_MARKETO}.enroll", 1, "before"), (f"{_MARKETO}.enroll", 2, "after"))),
    Case("marketo", ((_COMMIT, 1, "before"), (_COMMIT, 6, "after"), (_COMMIT, 40, "before"), (_COMMIT, 90, "after"))),
    Case("marketo", _moments(1, 4)),
    Case("marketo", _moments(2, 4)),
    Case("marketo", _moments(3, 4)),
    Case(
        "pardot",
        ((f"{_PARDOT}.sync", 1, "before"), (f"{_PARDOT}.sync", 9, "after"), (f"{_PARDOT}.look_up", 1, "after")),
    ),
    Case("pardot", ((f"{_QUEUE}.save_sent", 4, "before"), (f"{_QUEUE}.hold", 7, "before"))),
    Case("pardot", _moments(4, 3)),
]
CASES = [*SHORT, *(pytest.param(case, marks=pytest.mark.torture) for case in LONG)]


# What is delivered --------------------------------------------------------------------------------------------------


def rows() -> list[dict[str, str]]:
    """120 rows: two events, people scanned twice, missing and unusable values, and people whom the provider knows."""
    found = []
    for number in range(100):
        row = {
            "First Name": f"Ada{number}", "Last Name": f"Lindqvist{number}", "Company": f"Kestrel {number}",
            "Title": "" if number % 9 == 4 else f"Buyer {number}", "Email": f"ada{number}@kestrel.example",
            "Badge": str(7000 + number), "Event": "Summit 2026" if number % 3 == 0 else "Expo 2026",
            "Type": ("Hot", "Warm", "")[number % 3],
        }  # fmt: skip
        if number % 10 == 6:
            row["Email"] = ""
        if number % 25 == 11:
            row["Email"] = "n/a"
        if number % 33 == 20:
            row["Type"] = "Lukewarm"
        if number in {31, 64}:
            row["Last Name"] = ""
        found.append(row)
    twice = [number for number in range(0, 88, 4) if number % 10 != 6]
    again = [{**found[number], "Event": "Summit 2026", "Badge": str(9000 + number)} for number in twice]
    # Two badges, one person: nobody knows that before the provider answers.
    twins = [{**found[46], "Badge": str(number)} for number in (9901, 9902)]
    return [*found, *again, *twins]


def known_people() -> list[dict[str, Any]]:
    """Whom the provider knows: most of those without an address, and some without a title."""
    people = []
    for number in range(100):
        if (number % 10 == 6 and number != 96) or number % 9 == 4:
            people.append({
                "first_name": f"ada{number}", "last_name": f"lindqvist{number}",
                "full_name": f"ada{number} lindqvist{number}", "job_company_name": f"kestrel {number}",
                "job_title": f"planner {number}", "work_email": f"ada{number}@kestrel.example",
            })  # fmt: skip
    return people


def prepare(bench: Any, vendor: str) -> Path:
    """Sandboxes that take a few milliseconds a call, the source and the spec."""
    bench.leads(rows())
    bench.provider(people=known_people(), faults=[{"times": -1, "delay": LATENCY}])
    limits = {"calls": 10_000, "window": 60, "concurrency": 4}
    step = bench.provider_step(want=["email", "job_title"], config={"limits": limits})
    source = {
        "columns": {"First Name": "first_name", "Last Name": "last_name", "Badge": "badge_id"},
        "qualifiers": {"Type": "Type"},
    }
    fields = {"email": "lead.email", "firstName": "lead.first_name", "lastName": "lead.last_name"}
    if vendor == "pardot":
        bench.pardot(latency=LATENCY)
        mapping = {"qualifiers": {"Type": {"field": "Lead_Type__c", "options": {"Hot": "Hot", "Warm": "Warm"}}}}
        fields |= {"jobTitle": "lead.job_title", "Last_Event__c": "lead.event"}
        return bench.spec("pardot", source=source, fields=fields, mapping=mapping, enrichment=[step])
    held = [{"email": f"ada{number}@kestrel.example", "leadSource": "web"} for number in range(0, 40, 5)]
    bench.marketo(latency=LATENCY, leads=held, concurrency=0)
    programs = [
        {"event": "Expo 2026", "program_id": 1107, "status": "Registered"},
        {"event": "Summit 2026", "program_id": 1108, "status": "Attended"},
    ]
    qualifiers = {"Type": {"field": "leadType", "options": {"Hot": "A", "Warm": "B"}}}
    fields |= {"title": "lead.job_title", "leadSource": {"value": "'Event: ' ~ lead.event", "write": "if_blank"},
               "eventScore": {"value": "lead.scans", "type": "integer"}}  # fmt: skip
    mapping = {"qualifiers": qualifiers, "programs": programs}
    # Small calls, so that there are many of them to be killed in.
    config = {"limits": {"batch_size": 15, "calls": None, "concurrency": 3}}
    return bench.spec("marketo", source=source, fields=fields, mapping=mapping, enrichment=[step], config=config)


def end_state(bench: Any, vendor: str) -> dict[str, Any]:
    """All that an end consists of, without ids and times."""
    box = getattr(bench, vendor)()
    state = box.state()
    assert state["duplicates"] == []
    passing = {"id", "createdAt", "updatedAt", "createdById", "updatedById"}
    by_id = {str(person["id"]): email for email, person in bench.people(vendor).items()}
    return {
        "statuses": bench.statuses(),
        "failures": bench.failures(),
        "people": {
            email: {name: value for name, value in person.items() if name not in passing}
            for email, person in bench.people(vendor).items()
        },
        "members": {(by_id[str(m["leadId"])], m["programId"], m["statusName"]) for m in state.get("members", ())},
        "wanted": set(bench.sql("SELECT l.key, m.program_id, m.status, m.state FROM memberships m"
                                " JOIN leads l ON l.id = m.lead_id")),
        "enriched": set(bench.sql("SELECT l.key, v.field, v.value, v.provider FROM enriched_values v"
                                  " JOIN leads l ON l.id = v.lead_id")),
        "remote": {key: by_id[remote] for key, remote in bench.sql("SELECT key, remote_id FROM remote_ids")},
        "totals": bench.conserved("expo"),
    }  # fmt: skip


def bought_once(bench: Any) -> None:
    """Each request was bought once; more only where a kill met it in flight, and those are shown."""
    asked = [tuple(sorted(call["query"].items())) for call in bench.provider().calls("person/enrich")]
    ((unanswered,),) = bench.sql("SELECT count(*) FROM paid_calls WHERE state = 'unanswered'")
    assert len(asked) - len(set(asked)) <= unanswered
    answered = bench.sql("SELECT request FROM paid_calls WHERE state = 'answered'")
    assert len(set(answered)) == len(answered) == len(set(asked))


# Killing ------------------------------------------------------------------------------------------------------------


def engine(spec: Path, bench: Any, *crash: object) -> subprocess.Popen[bytes]:
    head = [CRASHING, *crash, "--"] if crash else ["-m", "engine"]
    words = [sys.executable, *head, "run", spec, "--state", bench.state, "--quiet"]
    return subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def ended(process: subprocess.Popen[bytes]) -> int:
    out, _ = process.communicate(timeout=60)
    assert process.returncode in {0, 1, -signal.SIGKILL}, out.decode()
    return process.returncode


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, plugins: Any, request: pytest.FixtureRequest) -> Any:
    """The end of a run that nobody disturbs, and the seconds it takes; by vendor, made when it is asked for."""
    made: dict[str, tuple[dict[str, Any], float]] = {}
    make_bench = request.getfixturevalue("make_bench")

    def of(vendor: str) -> tuple[dict[str, Any], float]:
        if vendor not in made:
            with ExitStack() as stack:
                bench = make_bench(tmp_path_factory.mktemp(vendor), stack)
                spec = prepare(bench, vendor)
                started = time.monotonic()
                assert ended(engine(spec, bench)) == 1
                seconds = time.monotonic() - started
                bought_once(bench)
                made[vendor] = end_state(bench, vendor), seconds
        return made[vendor]

    return of


def test_the_reference_covers_what_matters(uninterrupted: Any) -> None:
    state, _ = uninterrupted("marketo")
    assert state["totals"] == {"captured": 120, "duplicate": 18, "presync": 0, "frozen": 0, "cleared": 93, "failed": 9,
                               "ignored": 0, "suppressed": 0}  # fmt: skip
    assert set(state["failures"].values()) == {"MISSING_REQUIRED_VALUE", "MISSING_MATCH_KEY", "DATA_VALUE_VALIDATION",
                                               "NO_TAG_MAPPING"}  # fmt: skip
    assert {field for _, field, _, _ in state["enriched"]} == {"email", "job_title"}
    assert {person["leadSource"] for person in state["people"].values()} >= {"web", "Event: Expo 2026"}
    assert len(state["members"]) > 90


@pytest.mark.parametrize("case", CASES, ids=str)
def test_kill_and_run_again(case: Case, bench: Any, uninterrupted: Any) -> None:
    expected, seconds = uninterrupted(case.vendor)
    spec = prepare(bench, case.vendor)
    for kill in case.kills:
        if isinstance(kill, tuple):
            code = ended(engine(spec, bench, *kill))
            assert code == -signal.SIGKILL, f"{kill} was never reached"
        else:
            process = engine(spec, bench)
            try:
                process.wait(kill * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
            ended(process)
        bench.conserved()
    for _ in range(RESTARTS):
        if ended(engine(spec, bench)) >= 0:
            break
    assert end_state(bench, case.vendor) == expected
    bought_once(bench)
