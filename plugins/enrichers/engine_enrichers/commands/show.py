"""What `engine providers` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from rich import box
from rich.console import Console
from rich.table import Table

from engine_enrichers.commands import credits_of
from engine_enrichers.declared.configuration import config_schema
from engine_enrichers.declared.files import ProviderFile
from engine_enrichers.declared.inputs import INPUTS
from engine_enrichers.declared.provider import Auth, Cost, Provider
from engine_enrichers.declared.questions import most_of
from engine_enrichers.declared.templates import names_in

_COLUMNS = ("name", "entity", "inputs", "fields", "auth", "cost", "how", "availability", "origin")


def table(files: Sequence[ProviderFile], *, as_json: bool, out: Console) -> None:
    """A row for each file; a broken one says so."""
    if as_json:
        _print({"schema_version": 1, "providers": [described(file) for file in files]})
        return
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _COLUMNS:
        made.add_column(column, overflow="fold")
    for file in sorted(files, key=lambda file: file.name):
        if file.error is not None:
            made.add_row(file.name, "broken", "", "", "", "", "", "", file.origin)
            continue
        found = file.provider
        made.add_row(
            file.name, found.entity, _sets(found), ", ".join(found.fields), _auth(found.auth), _cost(found.cost),
            _how(found), found.availability, file.origin,
        )  # fmt: skip
    out.print(made)


def one(file: ProviderFile, *, as_json: bool, out: Console) -> None:
    """Everything about one file. Raises SpecError where it is broken."""
    found = file.provider
    if as_json:
        _print({"schema_version": 1, **described(file)})
        return
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    rows = {
        "name": found.name,
        "what it does": found.summary,
        "documentation": found.docs,
        "entity": found.entity,
        "availability": found.availability,
        "file": f"{file.path} ({file.origin}, version {found.version})",
        "asked with": _sets(found),
        "and beside": ", ".join(found.also) or "nothing",
        "sent": f"{', '.join(sent(found))} to {', '.join(hosts(found))}",
        "fields": ", ".join(found.fields),
        "told apart by": ", ".join(found.identity) or "nothing",
        "auth": _auth(found.auth),
        "settings": ", ".join(config_schema(found)["properties"]),
        "cost": f"{_cost(found.cost)}; at most {credits_of(most_of(found, frozenset(found.extract)))} a question",
        "price": f"{found.cost.price.amount:g} {found.cost.price.currency} a credit" if found.cost.price else "unknown",
        "limits": _limits(found),
        "kept": f"{found.hit_days:g} days, a miss {found.miss_days:g} days",
        "how": _how(found),
        "examined": "by a free call" if found.account is not None else "not before a run",
    }
    for title, text in rows.items():
        made.add_row(title, text)
    out.print(made)


def described(file: ProviderFile) -> dict[str, Any]:
    """A file as JSON values."""
    base = {"name": file.name, "file": str(file.path), "origin": file.origin}
    if file.error is not None:
        return {**base, "broken": str(file.error)}
    found = file.provider
    return {
        **base,
        "version": found.version,
        "summary": found.summary,
        "docs": found.docs,
        "entity": found.entity,
        "availability": found.availability,
        "inputs": [list(each.inputs) for each in found.inputs],
        "also": list(found.also),
        "sent": sent(found),
        "hosts": hosts(found),
        "fields": list(found.fields),
        "auth": _auth(found.auth),
        "cost": {
            "hit": found.cost.hit, "miss": found.cost.miss, "fields": dict(found.cost.fields),
            "most": most_of(found, frozenset(found.extract)),
            "price": {"amount": found.cost.price.amount, "currency": found.cost.price.currency}
            if found.cost.price else None,
        },
        "batch": found.batch.size if found.batch is not None else 1,
        "async": found.later is not None,
        "config_schema": config_schema(found),
    }  # fmt: skip


def sent(provider: Provider) -> list[str]:
    """The inputs that can leave, by name."""
    requests = [*(each.request for each in provider.inputs), *(each.request for each in provider.before)]
    nodes: list[Any] = [[each.path, each.query, each.json, each.form] for each in requests]
    if provider.batch is not None:
        nodes.append(provider.batch.record)
    named = {*provider.also, *(name for each in provider.inputs for name in each.inputs)}
    return sorted(names_in(*nodes) & INPUTS & named)


def hosts(provider: Provider) -> list[str]:
    """The hosts that are called."""
    urls = [provider.base_url, *([provider.auth.oauth.token_url] if provider.auth.oauth else [])]
    return list(dict.fromkeys(urlsplit(url).netloc for url in urls))


def _sets(provider: Provider) -> str:
    return " | ".join(" + ".join(each.inputs) for each in provider.inputs)


def _auth(auth: Auth) -> str:
    kinds = [*(f"header {name}" for name in auth.headers), *(f"query {name}" for name in auth.query)]
    kinds += ["basic"] if auth.basic is not None else []
    kinds += ["oauth"] if auth.oauth is not None else []
    return ", ".join(kinds)


def _cost(cost: Cost) -> str:
    parts = [f"{cost.hit:g} a hit"] + ([f"{cost.miss:g} a miss"] if cost.miss else [])
    return ", ".join(parts + [f"{credits:g} more for {field}" for field, credits in cost.fields.items()])


def _limits(provider: Provider) -> str:
    limits = provider.limits
    parts = [f"{calls} calls in {seconds:g} s" for calls, seconds in limits.windows]
    parts += [f"{limits.daily} a day"] if limits.daily is not None else []
    shared = f", shared as {provider.shared}" if provider.shared != provider.name else ""
    return ", ".join([*parts, f"{limits.concurrency} at once"]) + shared


def _how(provider: Provider) -> str:
    later = provider.later
    parts = ["at once" if later is None else "by posts" if later.poll is None and not later.again else "by polls"]
    parts += ["or posts"] if later is not None and later.callback is not None and parts != ["by posts"] else []
    return " ".join(parts) + (f", up to {provider.batch.size} together" if provider.batch is not None else "")


def _print(value: Any) -> None:
    import click

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
