"""Enrichers for Lead Engine: offline normalisation and declared HTTP providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from engine.adapters import Enricher
    from engine.spec_kinds import SpecKind


@hookimpl
def register_enrichers() -> Sequence[type[Enricher]]:
    """Return the offline enrichers, `http`, and one class for each provider file that is installed."""
    from engine_enrichers.declared.catalogue import HttpEnricher, installed
    from engine_enrichers.offline.company_names import CompanyNames
    from engine_enrichers.offline.email_domain import EmailDomain
    from engine_enrichers.offline.emails import Emails
    from engine_enrichers.offline.job_titles import JobTitles
    from engine_enrichers.offline.names import Names
    from engine_enrichers.offline.normalize import Normalize
    from engine_enrichers.offline.phones import Phones
    from engine_enrichers.offline.places import Places

    offline = [Normalize, Names, CompanyNames, JobTitles, Phones, Places, Emails, EmailDomain]
    return [*offline, HttpEnricher, *installed()]


@hookimpl
def register_filters() -> Mapping[str, Callable[..., Any]]:
    """Return the filters for phone numbers, countries and names."""
    from engine_enrichers.offline.filters import FILTERS

    return FILTERS


@hookimpl
def register_spec_kinds() -> Sequence[SpecKind]:
    """Return the kind of provider files."""
    from engine_enrichers.declared.kind import PROVIDER

    return [PROVIDER]


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add `engine providers` and `engine provider`."""
    from engine_enrichers.commands import provider, providers

    cli.add_command(providers)
    cli.add_command(provider)
