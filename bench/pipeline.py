"""(b) The whole pipeline: CSV to the Marketo sandbox in another process, everything recorded, synchronous=FULL.

    python bench/pipeline.py [LEADS]

Prints leads per second and CPU per lead of the engine's process, with a breakdown by stage: for a usual scanner export
(13 columns, 13 fields), for a wide one (25 and 25), and for the usual one behind the offline waterfall.
"""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent))
import leads as invented

from engine import plugins, specs
from engine.run import Run
from engine.stages.capture import CaptureStage
from engine.stages.enrich import EnrichStage
from engine.stages.map import MapStage
from engine.stages.match import MatchStage
from engine.stages.sync import SyncStage
from engine.state import Store

OFFLINE = "[{use: normalize, config: {default_region: US}}, {use: email_domain}]"


def sandbox(folder: Path) -> subprocess.Popen[str]:
    """Start the sandbox in a process of its own, without limits, and set the environment for it."""
    seed = folder / "seed.yaml"
    seed.write_text("rate: 0\nconcurrency: 0\ndaily: 0\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "sandbox", "marketo", "--seed", str(seed)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(3):
        name, _, value = process.stdout.readline().strip().removeprefix("export ").partition("=")
        os.environ[name] = value
    return process


def timed(spent: dict[str, float], cls: Any) -> None:
    """Add up the time that a stage's steps take on the driving thread."""
    step: Callable[..., bool] = cls.step

    def measured(self: Any, *, flush: bool) -> bool:
        started = time.perf_counter()
        try:
            return step(self, flush=flush)
        finally:
            spent[self.name] += time.perf_counter() - started

    cls.step = measured


def bare(path: Path, count: int) -> float:
    """The least a script can do, for comparison: read, map three fields, send in order, record nothing."""
    base = os.environ["MARKETO_BASE_URL"]
    credentials = {"grant_type": "client_credentials", "client_id": os.environ["MARKETO_CLIENT_ID"],
                   "client_secret": os.environ["MARKETO_CLIENT_SECRET"]}  # fmt: skip
    started = time.perf_counter()
    with httpx.Client(base_url=base) as client, path.open(encoding="utf-8", newline="") as stream:
        token = client.post("/identity/oauth/token", data=credentials).json()["access_token"]
        rows = csv.DictReader(stream)
        while batch := list(islice(rows, 300)):
            leads = [
                {"email": f"bare.{row['Email']}", "firstName": row["First Name"], "lastName": row["Last Name"]}
                for row in batch
            ]
            body = {"action": "createOrUpdate", "lookupField": "email", "input": leads}
            answer = client.post("/rest/v1/leads.json", json=body, headers={"Authorization": f"Bearer {token}"})
            assert all(result["status"] == "created" for result in answer.json()["result"])
    return count / (time.perf_counter() - started)


def measure(what: str, count: int, spec: str, columns: Sequence[str], spent: dict[str, float]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = sandbox(folder)
        try:
            path = invented.write(folder / "leads.csv", count, columns)
            (folder / "bench.yaml").write_text(spec)
            spent.clear()
            with Store(folder / "state.db") as store:
                running = Run(specs.load(folder / "bench.yaml"), store, plugins.load(), path=str(path))
                before = resource.getrusage(resource.RUSAGE_SELF)
                summary = running.go()
                after = resource.getrusage(resource.RUSAGE_SELF)
            least = bare(path, count)
        finally:
            process.terminate()
            process.wait()
    assert summary.totals["cleared"] == count, summary
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"\n(b) CSV to Marketo, {count:,} leads, {what}")
    print(f"    {count / summary.seconds:10,.0f} leads/s   {cpu / count * 1e6:6.1f} µs CPU per lead")
    print(f"    {least:10,.0f} leads/s by a bare script that maps three fields and records nothing:"
          f" ratio {count / summary.seconds / least:.2f}")  # fmt: skip
    for stage, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"    {stage:<10} {seconds / count * 1e6:6.1f} µs per lead on the driving thread")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    spent: dict[str, float] = defaultdict(float)
    for cls in (CaptureStage, EnrichStage, MapStage, MatchStage, SyncStage):
        timed(spent, cls)
    usual, wide = invented.USUAL_SPEC, invented.SPEC
    measure("13 columns, 13 fields", count, usual.replace("ENRICHMENT", "[]"), invented.USUAL, spent)
    measure("25 columns, 25 fields", count, wide.replace("ENRICHMENT", "[]"), invented.COLUMNS, spent)
    measure("13 fields, with normalize and email_domain", count, usual.replace("ENRICHMENT", OFFLINE), invented.USUAL,
            spent)  # fmt: skip


if __name__ == "__main__":
    main()
