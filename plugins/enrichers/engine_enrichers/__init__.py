"""Enrichers for Lead Engine: offline normalisation and declared HTTP providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.hookspecs import hookimpl

if TYPE_CHECKING:
    from engine.adapters import Enricher


@hookimpl
def register_enrichers() -> Sequence[type[Enricher]]:
    """Return the offline enrichers, `http`, and one class for each provider file that is shipped."""
    from engine_enrichers.declared import HttpEnricher, shipped_classes
    from engine_enrichers.email_domain import EmailDomain
    from engine_enrichers.normalize import Normalize

    return [Normalize, EmailDomain, HttpEnricher, *shipped_classes()]
