"""Marketo Engage for Lead Engine: writes leads, puts them in programs, and ships a local sandbox of the vendor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine import hookimpl

if TYPE_CHECKING:
    from engine.adapters import Vendor


@hookimpl
def register_vendors() -> Sequence[type[Vendor]]:
    """Offer the vendor; it is imported here, not above, so that a start of the command line stays quick."""
    from engine_marketo.vendor import MarketoVendor

    return [MarketoVendor]
