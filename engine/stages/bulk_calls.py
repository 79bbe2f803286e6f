"""The calls of bulk import: handing a file over, asking after an import, reading its end, and looking ids up."""

from __future__ import annotations

from typing import Any

from engine.adapters import Bulk, Vendor
from engine.stages.bulk_files import File, delivery_of
from engine.stages.bulk_ids import Search
from engine.stages.bulk_imports import Asking, Collecting

Call = File | Asking | Collecting | Search


def made(call: Call, bulk: Bulk, vendor: Vendor) -> Any:
    """Make a call to the vendor and return what it answers. Raises what the vendor's plugin raises."""
    match call:
        case File(jobs, places) if places:
            return bulk.submit_members([delivery_of(job) for job in jobs], places)
        case File(jobs):
            return bulk.submit([delivery_of(job) for job in jobs])
        case Asking(about):
            return bulk.state(about.row.ticket)
        case Collecting(about, jobs):
            return bulk.collect(about.row.ticket, [delivery_of(job) for job in jobs])
        case Search(jobs):
            return vendor.look_up([delivery_of(job) for job in jobs], ())
