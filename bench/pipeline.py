"""(b) The whole pipeline: CSV to the Marketo sandbox in another process, everything recorded, synchronous=FULL.

    python bench/pipeline.py [LEADS]

Prints leads per second and CPU per lead of the engine's process, with a breakdown by stage. The second table has the
offline waterfall (normalize, email_domain) in front.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def measure(count: int, enrichment: str, spent: dict[str, float]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = sandbox(folder)
        try:
            path = invented.write(folder / "leads.csv", count)
            (folder / "bench.yaml").write_text(invented.SPEC.replace("ENRICHMENT", enrichment))
            spent.clear()
            with Store(folder / "state.db") as store:
                running = Run(specs.load(folder / "bench.yaml"), store, plugins.load(), path=str(path))
                before = resource.getrusage(resource.RUSAGE_SELF)
                summary = running.go()
                after = resource.getrusage(resource.RUSAGE_SELF)
        finally:
            process.terminate()
            process.wait()
    assert summary.totals["cleared"] == count, summary
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    what = "without enrichment" if enrichment == "[]" else "with normalize and email_domain"
    print(f"\n(b) CSV to Marketo, {count:,} leads, 25 fields, {what}")
    print(f"    {count / summary.seconds:10,.0f} leads/s   {cpu / count * 1e6:6.1f} µs CPU per lead")
    for stage, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"    {stage:<10} {seconds / count * 1e6:6.1f} µs per lead on the driving thread")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    spent: dict[str, float] = defaultdict(float)
    for cls in (CaptureStage, EnrichStage, MapStage, MatchStage, SyncStage):
        timed(spent, cls)
    measure(count, "[]", spent)
    measure(count, OFFLINE, spent)


if __name__ == "__main__":
    main()
