"""(c) A CSV of a million rows to captured: rows per second and the peak memory of the process.

python bench/capture.py [ROWS]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def child(path: Path, folder: Path) -> None:
    """Capture in a process of its own, so that its peak memory is that of capturing alone."""
    from engine import plugins, specs
    from engine.adapters import Context
    from engine.plugins import build
    from engine.stages.base import Circumstances
    from engine.stages.capture import CaptureStage
    from engine.state import Store

    integration = specs.load(folder / "bench.yaml")
    with Store(folder / "state.db") as store:
        run = store.runs.begin(integration.name, str(folder), integration.digest, path.name, time.time())
        source = build(plugins.load().source("csv"), {"path": str(path)}, Context())
        stage = CaptureStage(Circumstances(store, run, integration, time.time), source)
        started = time.perf_counter()
        while stage.step(flush=True):
            pass
        seconds = time.perf_counter() - started
        totals = store.reports.totals(integration.name)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = path.stat().st_size / 2**20
    print(f"\n(c) CSV of {totals['captured']:,} rows ({size:,.0f} MB) to captured")
    print(f"    {totals['captured'] / seconds:10,.0f} rows/s   {peak:6.0f} MB peak memory")


def main() -> None:
    if len(sys.argv) > 2:
        child(Path(sys.argv[1]), Path(sys.argv[2]))
        return
    import leads as invented

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = invented.write(folder / "leads.csv", count)
        (folder / "bench.yaml").write_text(invented.SPEC.replace("ENRICHMENT", "[{use: normalize}]"))
        subprocess.run([sys.executable, __file__, str(path), str(folder)], check=True)


if __name__ == "__main__":
    main()
