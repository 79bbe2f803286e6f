"""(d) The vendor's limits, kept and used: leads to the Marketo sandbox behind Marketo's own limits and latency.

    python bench/limits.py [LEADS] [SPEED]

SPEED is the one factor by which the sandbox's time runs faster than Marketo's (window, latency, life of a token); the
spec's window is divided by it likewise. Printed: the time of the run as a ratio of the least that the limits allow for
the calls that it made, and what the sandbox counted: refusals, the fullest window, overlapping keys, duplicates. Then
the same run once more with one write in twenty answered by a connection that breaks after the write was done, and a
token that keeps dying, so that three calls in ten meet a dead one: its end is compared with the first one's.
"""

from __future__ import annotations

import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent))
import leads as invented

from engine import plugins, specs
from engine.run import Run, Summary
from engine.state import Store

#: Marketo's limits: calls in a window of seconds, calls at once.
CALLS, WINDOW, AT_ONCE = 100, 20.0, 10
#: Seconds that a call takes in recordings: a read, and a write of leads.
READ, WRITE = 0.4, 1.2

FAULTS = [
    {"match": "POST /rest/v1/(leads|programs)", "drop": "after", "share": 0.05, "times": -1},
    {"match": "/rest/", "error": "602", "share": 0.12, "times": -1},
]


def sandbox(folder: Path, speed: float, faults: Sequence[Mapping[str, Any]]) -> subprocess.Popen[str]:
    """Start a sandbox in a process of its own, and set the environment for it."""
    seed = folder / "seed.json"
    seed.write_text(json.dumps({"speed": speed, "latency": "recorded", "faults": list(faults)}))
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "sandbox", "marketo", "--seed", str(seed)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(3):
        name, _, value = process.stdout.readline().strip().removeprefix("export ").partition("=")
        os.environ[name] = value
    return process


def least(calls: Sequence[Mapping[str, Any]], speed: float) -> float:
    """Seconds that calls take at best: each starts as soon as the window and the places allow."""
    starts: list[float] = []
    places = [0.0] * AT_ONCE
    end = 0.0
    for index, call in enumerate(calls):
        writes = call["request"].startswith("POST") and call["query"].get("_method") != "GET"
        takes = (WRITE if writes and call["request"].endswith("leads.json") else READ) / speed
        free = starts[index - CALLS] + WINDOW / speed if index >= CALLS else 0.0
        start = max(heapq.heappop(places), free)
        starts.append(start)
        heapq.heappush(places, start + takes)
        end = max(end, start + takes)
    return end


def run(folder: Path, count: int, speed: float, faults: Sequence[Mapping[str, Any]]) -> tuple[Summary, dict[str, Any]]:
    """One run; returns its summary and what the sandbox says: statistics, journal, state."""
    process = sandbox(folder, speed, faults)
    try:
        path = invented.write(folder / "leads.csv", count, invented.USUAL)
        settings = f"limits: {{window: {WINDOW / speed}}}\n    settle_after: {90 / speed}"
        spec = invented.USUAL_SPEC.replace("ENRICHMENT", "[]").replace("limits: {calls: null, daily: null}", settings)
        spec += "  programs:\n    - {event: Expo 2026, program_id: 1107, status: Registered}\n"
        (folder / "bench.yaml").write_text(spec)
        with Store(folder / "state.db") as store:
            summary = Run(specs.load(folder / "bench.yaml"), store, plugins.load(), path=str(path)).go()
        with httpx.Client(base_url=os.environ["MARKETO_BASE_URL"], timeout=120) as client:
            told = {name: client.get(f"/_sandbox/{name}").json() for name in ("statistics", "journal", "state")}
    finally:
        process.terminate()
        process.wait()
    return summary, told


def stored(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run left at the vendor, without ids and times."""
    varying = {"id", "createdAt", "updatedAt"}
    emails = {lead["id"]: lead["email"] for lead in state["leads"]}
    people = {lead["email"]: {k: v for k, v in lead.items() if k not in varying} for lead in state["leads"]}
    return people, {f"{emails[row['leadId']]} {row['programId']}": row["statusName"] for row in state["members"]}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    speed = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    ends = []
    for what, faults in (("undisturbed", []), ("with faults", FAULTS)):
        with tempfile.TemporaryDirectory() as name:
            summary, told = run(Path(name), count, speed, faults)
        ends.append(stored(told["state"]))
        counted = [call for call in told["journal"] if "/identity/" not in call["request"]]
        best = least(counted, speed)
        statistics = told["statistics"]
        print(f"\n(d) {count:,} leads and memberships, {what}, at {speed:g} times Marketo's speed")
        print(f"    {summary.seconds:8.1f} s for {len(counted)} calls; the limits allow {best:.1f} s at best:"
              f" ratio {summary.seconds / best:.2f}")  # fmt: skip
        print(f"    most in a window {statistics['most_in_window']}, most at once {statistics['most_in_flight']},"
              f" refused {statistics['errors']}")  # fmt: skip
        print(f"    duplicates {len(statistics['duplicates'])}, overlapping keys"
              f" {len(statistics['overlapping_keys'])}, {summary.totals}")  # fmt: skip
    print(f"\n    the same people and memberships at the end: {ends[0] == ends[1]}")


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"    ({time.monotonic() - started:.0f} s in all)")
