"""(f) Listing groups of failed leads, against reading every failed lead's story.

    python bench/reconcile.py [LEADS]

Leads are captured into a state; nine of ten fail for a few causes, with what a real failure carries. Printed: the time
for the groups as a ratio of the time for all stories, which must stay below 0.1.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import specs
from engine.adapters import Context
from engine.records import Failure
from engine.sources import CsvSource
from engine.stages import reconcile
from engine.stages.base import Circumstances
from engine.stages.capture import CaptureStage
from engine.state import Store
from engine.state.moves import Mapped

SPEC = {
    "version": 1, "name": "expo", "source": {"use": "csv", "path": "leads.csv"}, "enrichment": [],
    "destination": {"use": "marketo", "config": {}}, "mapping": {"fields": {"email": "lead.email"}},
}  # fmt: skip
CAUSES = 12


def failure(number: int) -> Failure | None:
    """Why a lead fails: for one of a few causes, in words of its own; one in ten does not."""
    if number % 10 == 0:
        return None
    cause = number % CAUSES
    return Failure(
        ("DATA_VALUE_VALIDATION", "NO_TAG_MAPPING", "UNKNOWN")[cause % 3], f"the value 'No. {number}' is not taken",
        field=f"field{cause}", vendor_code=str(1000 + cause), endpoint="POST /rest/v1/leads.json",
    )  # fmt: skip


def fill(folder: Path, leads: int) -> Store:
    """A state with that many leads."""
    path = folder / "leads.csv"
    rows = "".join(f"Ada{n},Quill{n},Fernhill {n},ada{n}@f.example,Expo\n" for n in range(leads))
    path.write_text("First Name,Last Name,Company,Email,Event\n" + rows, "utf-8")
    (folder / "expo.yaml").write_text(json.dumps(SPEC), "utf-8")
    spec = specs.load(folder / "expo.yaml")
    store = Store(folder / "state.db")
    run = store.runs.begin(spec.name, str(spec.path), spec.digest, "leads.csv", time.time())
    stage = CaptureStage(Circumstances(store, run, spec, time.time), CsvSource({"path": str(path)}, Context()))
    while stage.step(flush=True):
        pass
    stage.close()
    while batch := store.queue.leads(run.integration_id, "enriched", "", 1_000, time.time()):
        payload: dict[str, Any] = {"fields": {"email": "x"}, "keys": [], "digest": ""}
        made = [(lead.id, failure(lead.id)) for lead in batch]
        results = [Mapped(id, "mapped", None if why else payload, why) for id, why in made]
        store.queue.save_mapped(run.id, spec.digest, "map", results, time.time())
    return store


def timed(call: Callable[[], Any], times: int = 5) -> float:
    """The shortest of a few times, in seconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return min(taken)


def main(leads: int) -> None:
    with tempfile.TemporaryDirectory() as name, fill(Path(name), leads) as store:
        failed = [lead["lead"] for lead in store.reports.failed("expo")]
        listing = timed(lambda: reconcile.groups(store, "expo"))
        stories = timed(lambda: [store.reports.lead(id) for id in failed], times=1)
        found = reconcile.groups(store, "expo")
        assert sum(group.leads for group in found) == len(failed)
        print(f"{len(failed)} failed leads in {len(found)} groups")
        print(f"  groups {listing * 1e3:.1f} ms, all stories {stories * 1e3:.0f} ms: ratio {listing / stories:.3f}")
        if listing >= stories / 10:
            sys.exit("listing the groups takes too long")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11_112)
