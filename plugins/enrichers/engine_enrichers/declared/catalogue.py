"""The enrichers that provider files declare: those of this package, of packages that name themselves, of a project.

A package of provider files has a folder `providers`, needs no code and names itself by an entry point:

    [project.entry-points."engine.providers"]
    acme = "acme_providers"
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from engine.adapters import Config, Context
from engine.errors import SpecError
from engine.records import LEAD_FIELDS
from engine_enrichers.declared.configuration import config_schema
from engine_enrichers.declared.enricher import DeclaredProvider
from engine_enrichers.declared.parsed import data_of
from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.provider_build import build
from engine_enrichers.declared.provider_files import load_provider, read_text

GROUP = "engine.providers"
_OWN = "lead-engine-enrichers"
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


class _Read:
    """A class attribute that is read from the file when it is asked for; `broken` is its value where that fails."""

    def __init__(self, file: ProviderFile, read: Callable[[Provider], Any], broken: Any) -> None:
        self._file = file
        self._value = read
        self._broken = broken
        self._known: Any = None

    def __get__(self, instance: object, owner: type) -> Any:
        if self._known is None:
            self._known = self._broken if self._file.error else self._value(self._file.provider)
        return self._known


class FromFile(DeclaredProvider):
    """The enricher of one file. A broken one is there, says so, and cannot be built."""

    file: ClassVar[ProviderFile]

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError with what is wrong with the file."""
        self.provider = self.file.provider
        super().__init__(config, context)


def class_of(file: ProviderFile) -> type[FromFile]:
    """The enricher class of a file, named after its provider. The file is not read yet."""
    broken = f"Broken: {file.path.name} cannot be used."
    origin = "" if file.origin == _OWN else f" (from {file.origin})"
    return type(
        "".join(word.title() for word in file.name.split("_")),
        (FromFile,),
        {
            "__doc__": f"Asks as {file.path.name} says.",
            "file": file,
            "name": file.name,
            "summary": _Read(file, lambda provider: provider.summary + origin, broken + origin),
            "config_schema": _Read(file, config_schema, {"type": "object"}),
            "provides": _Read(file, lambda provider: provider.fields, ()),
            "secrets": _Read(file, lambda provider: tuple(provider.credentials), ()),
            "personal": _Read(file, lambda provider: provider.entity != "company", True),
        },
    )


def installed() -> list[type[FromFile]]:
    """One class for each name among the files of this package and of those that name themselves."""
    named: dict[str, list[ProviderFile]] = defaultdict(list)
    for file in _files():
        named[file.name].append(file)
    return [class_of(files[0] if len(files) == 1 else _refused(files)) for files in named.values()]


def shipped_files() -> list[Path]:
    """The provider files of this package, by name."""
    return sorted((Path(__file__).parents[1] / "providers").glob("*.yaml"))


def _files() -> Iterator[ProviderFile]:
    for path in shipped_files():
        yield ProviderFile(path, _OWN)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
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


class HttpEnricher(DeclaredProvider):
    """Runs a provider file of the project's own, under the name that the file gives."""

    name = "http"
    summary = "Asks any HTTP provider that a YAML file of your own describes."
    #: Which of these it can fill is known when the file has been read.
    provides = LEAD_FIELDS
    #: What files usually call their credentials; those of a file are kept out of messages whatever it calls them.
    secrets = ("api_key", "api_secret", "access_token", "client_secret", "password", "secret", "token")
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {
                "title": "Provider file",
                "description": "Path of the YAML file, relative to the spec's folder.",
                "type": "string",
                "minLength": 1,
                "examples": ["providers/acme.yaml"],
            },
        },
        # The file declares the other keys; they are checked against it when it has been read.
        "additionalProperties": True,
    }

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError where the file is wrong, or the configuration is by what the file declares."""
        from jsonschema import Draft202012Validator

        self.provider = load_provider(context.folder / str(config["file"]))
        self.provides = self.provider.fields
        # Provenance, limits, budget and paid answers belong to the provider, not to the way of declaring it.
        self.name = self.provider.name
        self.personal = self.provider.entity != "company"
        given = {name: value for name, value in config.items() if name != "file"}
        for problem in Draft202012Validator(config_schema(self.provider)).iter_errors(given):
            where = ".".join(["enrichment.http.config", *(str(step) for step in problem.absolute_path)])
            # The message quotes the value, which is not for display where it is a secret.
            secret = next((step for step in problem.absolute_path if step in self.provider.credentials), None)
            raise SpecError(problem.message if secret is None else f"{secret} is not a text", where=where)
        super().__init__(config, context)
