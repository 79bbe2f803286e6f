"""Pardot (Account Engagement) for Lead Engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine import hookimpl

if TYPE_CHECKING:
    from engine.adapters import Vendor


@hookimpl
def register_vendors() -> Sequence[type[Vendor]]:
    """Return the vendor of this plugin; imported here, so that starting the command line does not pay for it."""
    from engine_pardot.vendor import PardotVendor

    return [PardotVendor]
