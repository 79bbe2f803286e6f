"""The provider files: those of this package, of packages that name themselves, and what becomes of one that is broken.

A package of provider files has a folder `providers`, needs no code and names itself by an entry point:

    [project.entry-points."engine.providers"]
    acme = "acme_providers"
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from engine.entries import entry_points
from engine.errors import SpecError
from engine_enrichers.declared.parsed import data_of
from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.provider_build import build
from engine_enrichers.declared.provider_files import read_text

GROUP = "engine.providers"
#: The origin of the files of this package.
OWN = "lead-engine-enrichers"
_NAME = re.compile(r"^name:[ \t]*[\"']?([a-z][a-z0-9_]*)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)


class ProviderFile:
    """A provider file and where it comes from; read when something of it is asked for.

    `problem`: why it cannot be used although it may be sound, such as a second file of its name.
    """

    def __init__(self, path: Path, origin: str, problem: SpecError | None = None) -> None:
        self.path = path
        self.origin = origin
        self.problem = problem

    @cached_property
    def name(self) -> str:
        """What the file calls its provider, or its own name where that cannot be read."""
        try:
            found = _NAME.search(read_text(self.path))
        except SpecError:
            found = None
        return found[1] if found else re.sub(r"\W", "_", self.path.stem.lower())

    @cached_property
    def _loaded(self) -> Provider | SpecError:
        if self.problem is not None:
            return self.problem
        try:
            return build(data_of(self.path, read_text(self.path)))
        except SpecError as error:
            return error

    @property
    def error(self) -> SpecError | None:
        """What is wrong with the file; None where it is sound."""
        return self._loaded if isinstance(self._loaded, SpecError) else None

    @property
    def provider(self) -> Provider:
        """Raises SpecError where the file is broken."""
        if isinstance(self._loaded, SpecError):
            raise self._loaded
        return self._loaded


def installed_files() -> list[ProviderFile]:
    """One file for each name among those of this package and of the packages that name themselves."""
    named: dict[str, list[ProviderFile]] = defaultdict(list)
    for file in _files():
        named[file.name].append(file)
    return [files[0] if len(files) == 1 else _refused(files) for files in named.values()]


def shipped_files() -> list[Path]:
    """The provider files of this package, by name."""
    return sorted((Path(__file__).parents[1] / "providers").glob("*.yaml"))


def _files() -> Iterator[ProviderFile]:
    for path in shipped_files():
        yield ProviderFile(path, OWN)
    for entry in entry_points(group=GROUP):
        yield from _of_package(entry)


def _of_package(entry: EntryPoint) -> Iterator[ProviderFile]:
    """The files of a package, which is found and not imported: it has no code to be run."""
    origin = entry.dist.name if entry.dist is not None else entry.value
    try:
        spec = find_spec(entry.value)
    except (ImportError, ValueError):
        spec = None
    folders = [Path(each) / "providers" for each in (spec.submodule_search_locations or ())] if spec else []
    found = [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
    if not found:
        problem = SpecError(f"{origin}: {entry.value} is no package with a folder `providers`")
        yield ProviderFile(Path(f"{entry.name}.yaml"), origin, problem)
    for path in found:
        yield ProviderFile(path, origin)


def _refused(files: list[ProviderFile]) -> ProviderFile:
    """Stands for the files of one name, none of which is used."""
    both = " and ".join(f"{file.path} ({file.origin})" for file in files)
    problem = SpecError(
        f"several files declare the provider {files[0].name!r}: {both}; none is used",
        fix="Rename one, or uninstall the package that you do not need.",
    )
    refused = ProviderFile(files[0].path, files[0].origin, problem)
    refused.__dict__["name"] = files[0].name
    return refused
