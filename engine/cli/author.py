"""Commands for those who write specs and plugins: check, plugins, sandbox, schema."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click

from engine import check as checking
from engine import live as live_checking
from engine import plugins as plugin_loader
from engine import specs
from engine.cli.common import console, counted, json_option, print_json, state_option, table
from engine.connection import opened
from engine.errors import AbortRun, EnvironmentFault, Place, SpecError


@click.command()
@click.argument("integration", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--live", is_flag=True, help="Also compare with what the vendor has now; nothing is written there.")
@state_option
@json_option
def check(integration: tuple[Path, ...], live: bool, state: Path, as_json: bool) -> None:
    """Show everything that is wrong with INTEGRATION (one or more specs), without sending anything.

    With --live, the vendor is asked for its fields, programs and lists, and each row that names something else is
    shown. The state is used only to keep to the vendor's limits.
    """
    from engine.waterfalls import rehearsed

    loaded = plugin_loader.load()
    problems: list[AbortRun] = []
    unset: dict[str, None] = {}
    compared: dict[str, None] = {}
    for path in integration:
        found: list[SpecError] = []
        try:
            spec = specs.load(path)
            found = checking.check(spec, loaded)
            found += [] if found else rehearsed(spec, loaded, time.time, lambda text: None).problems()
            problems += found
            unset.update(dict.fromkeys(checking.unset_variables(spec)))
            if live:
                with opened(spec, loaded, state) as connection:
                    problems += live_checking.check(spec, loaded, connection.vendor)
                    compared[connection.vendor.account] = None
        except specs.SpecErrors as error:
            problems += error.problems
        except AbortRun as error:
            # What keeps the vendor from being set up has been found already where it stands in the spec.
            if error.where or not found:
                problems.append(error)
    if as_json:
        print_json({"schema_version": 1, "problems": [_problem_json(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(str(problem), err=True)
        verdict = counted(len(problems), "problem") if problems else "nothing is wrong"
        click.echo(f"{', '.join(map(str, integration))}: {verdict}", err=bool(problems))
        if compared:
            click.echo(f"compared with {', '.join(compared)}", err=bool(problems))
        if unset:
            click.echo(f"note: to be set before a run: {', '.join(unset)}", err=bool(problems))
    sys.exit(min((problem.exit_code for problem in problems), default=0))


def _problem_json(problem: AbortRun) -> dict[str, Any]:
    where = problem.where
    place = {"path": where.path, "line": where.line, "column": where.column} if isinstance(where, Place) else None
    return {"what": problem.what, "where": place or str(where or ""), "why": problem.why, "fix": problem.fix}


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """Show what is installed: sources, enrichers, vendors and filters, and what is broken."""
    loaded = plugin_loader.load()
    kinds = {"source": loaded.sources, "enricher": loaded.enrichers, "vendor": loaded.vendors}
    if as_json:
        print_json({
            "schema_version": 1,
            **{f"{kind}s": [{"name": name, "summary": adapter.summary, "plugin": loaded.origins[f"{kind} {name}"]}
                            for name, adapter in found.items()] for kind, found in kinds.items()},
            "filters": sorted(loaded.filters),
            "broken": [{"plugin": item.plugin, "reason": item.reason} for item in loaded.broken],
        })  # fmt: skip
        return
    made = table("kind", "name", "plugin", "what it does")
    for kind, found in kinds.items():
        for name, adapter in sorted(found.items()):
            made.add_row(kind, name, loaded.origins[f"{kind} {name}"], adapter.summary)
    console().print(made)
    click.echo(f"filters: {', '.join(sorted(loaded.filters))}")
    for item in loaded.broken:
        click.echo(f"broken: {item.plugin}: {item.reason}", err=True)


@click.command()
@click.argument("name")
@click.option("--port", default=0, show_default=True, help="The port on this machine; 0 takes a free one.")
@click.option("--seed", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A YAML or JSON file with what the sandbox holds at the start, or a CSV of its people.")  # fmt: skip
def sandbox(name: str, port: int, seed: Path | None) -> None:
    """Start the local sandbox of the vendor or enricher NAME, and keep it until Ctrl-C.

    NAME may also be that of a sandbox which several enrichers share.
    """
    from engine.testing.seeds import read_seed

    loaded = plugin_loader.load()
    sharing = {enricher.sandbox_name: enricher for enricher in loaded.enrichers.values() if enricher.sandbox_name}
    found = {**sharing, **loaded.enrichers}.get(name)
    adapter: Any = loaded.vendor(name) if found is None else found
    if not hasattr(adapter, "sandbox"):
        raise SpecError(f"{name} ships no sandbox")
    try:
        box = adapter.sandbox(port=port)
        box.seed = read_seed(seed, box.people) if seed else {}
        box.start()
    except NotImplementedError as error:
        raise SpecError(f"{name} ships no sandbox") from error
    except ValueError as error:
        raise SpecError(f"this seed cannot be used: {error}", where=str(seed)) from error
    except OSError as error:
        raise EnvironmentFault(f"cannot listen on port {port}: {error.strerror}", fix="Use --port 0.") from error
    click.echo(f"{name} sandbox at {box.url}   (look inside: {box.url}/_sandbox/state; stop: Ctrl-C)")
    for variable, value in box.environment().items():
        click.echo(f"export {variable}={value}")
    sys.stdout.flush()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(1.0):
        pass
    box.stop()


@click.command()
@click.argument("kind", type=click.Choice(specs.KINDS))
def schema(kind: str) -> None:
    """Print the JSON Schema of a KIND of spec, for editors."""
    click.echo(json.dumps(specs.schema(kind), indent=2, ensure_ascii=False))
