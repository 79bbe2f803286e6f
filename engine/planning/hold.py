"""Hold a run to a saved plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from engine.adapters import Vendor
from engine.planning.compare import hold_against
from engine.planning.front import in_front
from engine.planning.guard import GuardedVendor
from engine.planning.make import make
from engine.planning.records import load
from engine.plugins import Plugins
from engine.specs import Integration
from engine.state import Store


def guard_of(
    file: Path,
    integration: Integration,
    plugins: Plugins,
    state: Path,
    path: str | None = None,
    now: Callable[[], float] = time.time,
) -> Callable[[Vendor], Vendor]:
    """Plan anew, and see that it comes to what is planned in `file`; returns the guard for a run that does it.

    Raises PlanChanged with what differs, and what `load` and `make` raise.
    """
    saved = load(file)
    fresh, allowed = make(integration, plugins, state, path, now)
    begun: set[str] = set()
    if state.exists():
        with Store(state, check=False) as store:
            begun = store.plans.begun(integration.name, datetime.fromisoformat(saved.made_at).timestamp())
    hold_against(saved, fresh, begun, str(file))
    return lambda vendor: in_front(GuardedVendor, vendor, allowed)
