"""Commands for those who write specs and plugins: plugins, sandbox, schema, migrate."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from engine import plugins as plugin_loader
from engine import saved_catalog
from engine.cli.common import console, json_option, print_json, table
from engine.errors import EnvironmentFault, SpecError
from engine.expressions import suggestion
from engine.files import replace_text
from engine.spec_files import KINDS


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
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    click.echo(f"{name} sandbox at {box.url}   (look inside: {box.url}/_sandbox/state; stop: Ctrl-C)")
    for variable, value in box.environment().items():
        click.echo(f"export {variable}={value}")
    sys.stdout.flush()
    while not ended.wait(1.0):
        pass
    box.stop()


@click.command()
@click.argument("kind", required=False)
@click.option("--output", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Write the schemas of all kinds into this folder, as KIND.json.")  # fmt: skip
@click.option("--catalog", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="A saved catalog: the rows of a mapping then complete from the vendor's fields.")  # fmt: skip
def schema(kind: str | None, output: Path | None, catalog: Path | None) -> None:
    """Print the JSON Schema of a KIND of spec, for editors, with what the installed plugins add.

    KIND is integration, source, enrichment, matching, mapping, samples, or one that a plugin brings. A spec names its
    schema in its first line: `# yaml-language-server: $schema=FOLDER/integration.json`.
    """
    from engine.editor_schemas import as_text, editor_schema, write_schemas

    loaded = plugin_loader.load()
    fields = saved_catalog.load(catalog).fields if catalog else ()
    kinds = (*KINDS, *loaded.kinds)
    if kind is not None and kind not in kinds:
        raise SpecError(
            f"there is no kind of spec {kind!r}", fix=suggestion(kind, kinds) or f"It is one of {', '.join(kinds)}."
        )
    if output is not None:
        for path in write_schemas(output, loaded, fields):
            click.echo(f"written: {path}", err=True)
    elif kind is None:
        raise click.UsageError(f"name a kind ({', '.join(kinds)}), or a folder with --output")
    else:
        click.echo(as_text(editor_schema(kind, loaded, fields)), nl=False)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 where a spec is not up to date.")
def migrate(paths: tuple[Path, ...], only_check: bool) -> None:
    """Bring the specs at each PATH up to date with this version of the format; comments are kept.

    PATH is a spec, or a folder with specs; without it, the current folder.
    """
    from engine.check_files import spec_files
    from engine.migrate import migrated

    behind, wrong = 0, 0
    for path in spec_files(paths or (Path(),)):
        try:
            made = migrated(path)
        except SpecError as error:
            wrong += 1
            click.echo(str(error), err=True)
            continue
        if not made.changes:
            continue
        behind += 1
        click.echo(f"{path}: {'to be changed' if only_check else 'changed'}: {', '.join(made.changes)}")
        if not only_check:
            replace_text(path, made.text)
    if not behind and not wrong:
        click.echo("all specs are up to date")
    sys.exit(2 if wrong else 1 if behind and only_check else 0)
