"""A retry of many failed leads is killed twice, and completes: nobody is left, and nobody is created twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CRASHING = Path(__file__).with_name("crashing.py")
#: Leads, and how many are sent in one call.
SIZES = [
    pytest.param(400, 20, id="400-leads"),
    pytest.param(10_000, 100, id="10000-leads", marks=pytest.mark.torture),
]


@pytest.mark.parametrize(("count", "batch"), SIZES)
def test_a_retry_that_is_killed_twice_completes(bench: Any, person: Any, count: int, batch: int) -> None:
    config = {"limits": {"batch_size": batch, "calls": None}}
    fields = {"email": "lead.email", "lastName": "lead.last_name", "company": "lead.company"}
    bench.marketo(rate=None, fields=[{"name": "company", "length": 5}])
    bench.leads([person(number) for number in range(count)])
    assert bench.run(bench.spec(fields=fields, config=config)).exit_code == 1
    assert set(bench.failures().values()) == {"DATA_VALUE_VALIDATION"} and len(bench.failures()) == count
    cut = {"value": "lead.company", "too_long": "truncate"}
    spec = bench.spec(fields={**fields, "company": cut}, config=config)

    for target, nth, when in (
        ("engine_marketo.vendor:MarketoVendor.sync", count // batch // 3, "after"),
        ("engine.state.queue:Queue.save_sent", 2, "before"),
    ):
        command = [sys.executable, str(CRASHING), target, str(nth), when, "--", "reconcile", "retry", "--yes",
                   "--state", str(bench.state)]  # fmt: skip
        killed = subprocess.run(command, cwd=bench.folder, check=False, capture_output=True, text=True)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert 0 < len(bench.people()) < count
    ended = bench.cli("run", spec, "--json").json
    assert (ended["totals"]["cleared"], ended["totals"]["failed"], len(bench.people())) == (count, 0, count)
    assert bench.marketo().statistics()["duplicates"] == []
