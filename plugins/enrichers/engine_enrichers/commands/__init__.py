"""`engine providers` and `engine provider`: what the declared providers are, and trying one out on a lead."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.errors import RetryLater, SpecError, VendorUnavailable

if TYPE_CHECKING:
    from rich.console import Console

    from engine_enrichers.declared.files import ProviderFile

_WIDTH = 200


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, for programs.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Show the files of this folder, too.")
def providers(name: str | None, as_json: bool, folder: Path | None) -> None:
    """Show the declared providers; with NAME, everything about one, and what is sent to it."""
    from engine_enrichers.commands import show

    files = _files(folder)
    if name is not None:
        show.one(_chosen(files, name), as_json=as_json, out=_console())
        return
    show.table(files, as_json=as_json, out=_console())


@click.group()
def provider() -> None:
    """Write and try a provider file."""


@provider.command()
def schema() -> None:
    """Print the JSON Schema of provider files, for editors."""
    from engine_enrichers.declared.provider_files import provider_schema

    click.echo(json.dumps(provider_schema(), indent=2, ensure_ascii=False))


@provider.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: Sequence[Path]) -> None:
    """Say everything that is wrong with provider files. Sends nothing."""
    from engine_enrichers.declared.kind import problems as problems_of

    problems = [problem for path in files for problem in problems_of(path)]
    for problem in problems:
        click.echo(str(problem), err=True)
    verdict = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}" if problems else "nothing is wrong"
    click.echo(f"{', '.join(map(str, files))}: {verdict}", err=bool(problems))
    sys.exit(2 if problems else 0)


@provider.command("try")
@click.argument("file_or_name")
@click.option("--lead", "lead_file", type=click.Path(dir_okay=False, path_type=Path),
              help="A YAML or JSON file of lead fields; with --case, the recording's person without it.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of the step's configuration.")
@click.option("--case", help="Read this recorded answer instead of sending.")
@click.option("--send", is_flag=True, help="Make the call. It may cost a credit.")
@click.option("--want", help="The wanted fields, parted by commas; without it, all that the provider has.")
def try_(
    file_or_name: str, lead_file: Path | None, settings: Sequence[str], case: str | None, send: bool, want: str | None
) -> None:
    """Show the request that would be made about a lead, and read its answer.

    Credentials come from --set or from the environment, as NAME_API_KEY; base_url by --set leads to a sandbox.
    """
    from engine_enrichers.commands.attempt import Trial

    if case is not None and send:
        raise SpecError("an answer is either recorded or asked for", where="--case", fix="Leave out --case or --send.")
    file = _file(file_or_name)
    trial = Trial(file, lead_file, settings, case, want, send=send)
    try:
        trial.run(_console())
    except RetryLater as error:
        raise VendorUnavailable(error.what, where=error.where, why=error.why, fix=error.fix) from error
    finally:
        trial.close()


def _files(folder: Path | None) -> list[ProviderFile]:
    from engine_enrichers.declared.files import ProviderFile, installed_files

    found = installed_files()
    if folder is not None:
        paths = sorted(folder.glob("*.yaml"))
        if not paths:
            raise SpecError("there is no provider file in this folder", where=str(folder))
        found += [ProviderFile(path, str(folder)) for path in paths]
    return found


def _chosen(files: Sequence[ProviderFile], name: str) -> ProviderFile:
    from engine.expressions import suggestion

    # A project's own file is the one that is meant, where an installed one has its name.
    for file in reversed(files):
        if file.name == name:
            return file
    names = [file.name for file in files]
    fix = suggestion(name, names) or "`engine providers` shows all of them; --folder names those of a project."
    raise SpecError(f"there is no provider called {name!r}", fix=fix)


def _file(file_or_name: str) -> ProviderFile:
    from engine_enrichers.declared.files import ProviderFile

    path = Path(file_or_name)
    if path.suffix in (".yaml", ".yml", ".json") or path.exists():
        return ProviderFile(path, "this file")
    return _chosen(_files(None), file_or_name)


def _console() -> Console:
    from rich.console import Console

    found = Console(highlight=False, markup=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, width=_WIDTH, color_system=None)


def credits_of(amount: float) -> str:
    """An amount of credits in words."""
    return f"{amount:g} credit{'' if amount == 1 else 's'}"


def lines(value: Any, indent: str = "  ") -> Iterator[str]:
    """Nested data as indented JSON, line by line."""
    yield from (indent + line for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines())
