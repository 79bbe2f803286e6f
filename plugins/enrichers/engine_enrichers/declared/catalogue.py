"""The enrichers that provider files declare: one class for each that is installed, and `http` for a project's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from engine.adapters import Config, Context
from engine.errors import SpecError
from engine.records import LEAD_FIELDS
from engine_enrichers.declared.configuration import config_schema
from engine_enrichers.declared.enricher import DeclaredProvider
from engine_enrichers.declared.files import GROUP, OWN, ProviderFile, installed_files, shipped_files
from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.provider_files import load_provider

#: GROUP, ProviderFile and shipped_files are those of `files`.
__all__ = ["GROUP", "FromFile", "HttpEnricher", "ProviderFile", "class_of", "installed", "shipped_files"]


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
    origin = "" if file.origin == OWN else f" (from {file.origin})"
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
    """One class for each provider file that is installed."""
    return [class_of(file) for file in installed_files()]


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
