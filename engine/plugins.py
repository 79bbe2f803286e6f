"""Load plugins, check them, collect what they register. Returns a value; nothing here is global."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

import jsonschema
import pluggy

from engine import hookspecs
from engine.adapters import API_VERSION, Adapter, Enricher, Source, Vendor
from engine.codes import CODES, NOTICES, Code
from engine.entries import entry_points
from engine.errors import EngineError, EnvironmentFault, SpecError
from engine.expressions import suggestion
from engine.filters import BUILT_IN
from engine.spec_files import KINDS
from engine.spec_kinds import SpecKind

GROUP = "engine"

A = TypeVar("A", bound=Adapter)


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin, or one adapter of it, that cannot be used, and why."""

    plugin: str
    reason: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plugins:
    """What is installed: adapters, filters and further kinds of spec by name, their origins, and what is broken.

    `codes`: the failure codes that leads can have, the engine's and those that adapters declare.
    """

    manager: pluggy.PluginManager
    sources: Mapping[str, type[Source]]
    enrichers: Mapping[str, type[Enricher]]
    vendors: Mapping[str, type[Vendor]]
    filters: Mapping[str, Callable[..., Any]]
    origins: Mapping[str, str]
    broken: tuple[Broken, ...] = field(default=())
    kinds: Mapping[str, SpecKind] = field(default_factory=dict)
    codes: Mapping[str, Code] = field(default_factory=lambda: CODES)

    def source(self, name: str) -> type[Source]:
        return self._named("source", self.sources, name)

    def enricher(self, name: str) -> type[Enricher]:
        return self._named("enricher", self.enrichers, name)

    def vendor(self, name: str) -> type[Vendor]:
        return self._named("vendor", self.vendors, name)

    def _named(self, kind: str, found: Mapping[str, type[A]], name: str) -> type[A]:
        if name in found:
            return found[name]
        for broken in self.broken:
            if name == broken.plugin or name in broken.names:
                raise EnvironmentFault(
                    f"the plugin {broken.plugin!r}, which provides the {kind} {name!r}, is broken",
                    why=broken.reason,
                    fix="Update or reinstall the plugin; `engine plugins` shows all of them.",
                )
        meant = suggestion(name, found)
        raise SpecError(
            f"there is no {kind} called {name!r}",
            why="" if meant and len(found) > 10 else f"installed: {', '.join(sorted(found)) or 'none'}",
            fix=meant or f"Install the plugin that provides {name!r}.",
        )


def build(adapter: type[A], config: Mapping[str, Any], context: Any) -> A:
    """Check `config` against the adapter's schema and build it. Raises SpecError, EnvironmentFault."""
    errors = sorted(jsonschema.Draft202012Validator(adapter.config_schema).iter_errors(dict(config)), key=str)
    if errors:
        first = errors[0]
        path = ".".join(str(part) for part in first.absolute_path)
        raise SpecError(f"{adapter.name}: config{'.' + path if path else ''}: {first.message}")
    try:
        return adapter(config, context)
    except EngineError:
        raise
    except Exception as error:
        raise EnvironmentFault(f"the plugin's {adapter.name!r} could not be set up", why=repr(error)) from error


def load(extra: Mapping[str, object] | None = None, *, installed: bool = True) -> Plugins:
    """Load the built-in plugins, the `installed` entry points of the group `engine`, and `extra` ones by name.

    A plugin that cannot be imported or registered is listed as broken and stops nothing. Two adapters of one kind with
    one name are both refused, naming both plugins.
    """
    from engine import metrics, sources

    manager = pluggy.PluginManager("engine")
    manager.add_hookspecs(hookspecs)
    broken: list[Broken] = []
    manager.register(sources, name="built-in")
    manager.register(metrics, name="metrics")
    if installed:
        for entry in entry_points(group=GROUP):
            _register_entry(manager, entry, broken)
    for name, plugin in (extra or {}).items():
        _register(manager, name, plugin, broken)
    origins: dict[str, str] = {}
    found_sources = _collect(manager, "register_sources", Source, origins, broken)
    enrichers = _collect(manager, "register_enrichers", Enricher, origins, broken)
    vendors = _collect(manager, "register_vendors", Vendor, origins, broken)
    adapters: list[tuple[str, type[Adapter]]] = [("source", each) for each in found_sources.values()]
    adapters += [("enricher", each) for each in enrichers.values()]
    adapters += [("vendor", each) for each in vendors.values()]
    return Plugins(
        manager=manager,
        sources=found_sources,
        enrichers=enrichers,
        vendors=vendors,
        codes=_collect_codes(adapters, origins, broken),
        filters={**BUILT_IN, **_collect_filters(manager, origins, broken)},
        kinds=_collect_kinds(manager, origins, broken),
        origins=origins,
        broken=tuple(broken),
    )


def _register_entry(manager: pluggy.PluginManager, entry: EntryPoint, broken: list[Broken]) -> None:
    try:
        plugin = entry.load()
    except Exception as error:
        broken.append(Broken(entry.name, f"{entry.value} cannot be imported: {error!r}"))
        return
    _register(manager, entry.name, plugin, broken)


def _register(manager: pluggy.PluginManager, name: str, plugin: object, broken: list[Broken]) -> None:
    try:
        manager.register(plugin, name=name)
    except (ValueError, pluggy.PluginValidationError) as error:
        broken.append(Broken(name, str(error)))


def _implementations(
    manager: pluggy.PluginManager, hook: str, shape: Callable[[Any], Any], broken: list[Broken]
) -> list[tuple[str, Any]]:
    """Call one hook plugin by plugin: one that raises, or returns no `shape`, does not take the others with it."""
    results: list[tuple[str, Any]] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        try:
            results.append((implementation.plugin_name, shape(implementation.function())))
        except Exception as error:
            broken.append(Broken(implementation.plugin_name, f"{hook} failed: {error!r}"))
    return results


def _collect(
    manager: pluggy.PluginManager, hook: str, base: type[A], origins: dict[str, str], broken: list[Broken]
) -> dict[str, type[A]]:
    found: dict[str, type[A]] = {}
    kind = base.__name__.lower()
    refused: set[str] = set()
    for plugin, adapters in _implementations(manager, hook, list, broken):
        for adapter in adapters:
            reason = _unusable(adapter, base)
            if reason:
                broken.append(Broken(plugin, reason, (str(getattr(adapter, "name", "?")),)))
                continue
            key = f"{kind} {adapter.name}"
            if key in origins:
                refused.add(adapter.name)
                why = f"two plugins provide the {kind} {adapter.name!r}: {origins[key]} and {plugin}; neither is used"
                broken.append(Broken(plugin, why, (adapter.name,)))
                continue
            origins[key] = plugin
            found[adapter.name] = adapter
    return {name: adapter for name, adapter in found.items() if name not in refused}


def _unusable(adapter: Any, base: type[Adapter]) -> str:
    if not (isinstance(adapter, type) and issubclass(adapter, base)):
        return f"{adapter!r} is not a subclass of {base.__name__}"
    # What a class makes when it is asked for is not asked for here: a plugin may bring many adapters, and a run needs
    # few of them.
    missing = [name for name in ("name", "summary") if not inspect.getattr_static(adapter, name, "")]
    if missing:
        return f"{adapter.__name__} has no {' and no '.join(missing)}"
    if adapter.api_version != API_VERSION:
        return f"{adapter.name} is written for adapter interface {adapter.api_version}, this engine has {API_VERSION}"
    return _schema_fault(adapter)


@lru_cache(maxsize=1_000)
def _schema_fault(adapter: type[Adapter]) -> str:
    """What is wrong with a class's schema; found once, for a class stays as it is and plugins are loaded often."""
    schema = inspect.getattr_static(adapter, "config_schema")
    if not isinstance(schema, Mapping):
        return ""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"{adapter.name}: config_schema is no valid JSON Schema: {error.message}"
    return ""


def _collect_filters(
    manager: pluggy.PluginManager, origins: dict[str, str], broken: list[Broken]
) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for plugin, filters in _implementations(manager, "register_filters", dict, broken):
        for name, filter_ in filters.items():
            if not (isinstance(name, str) and name.isascii() and name.isidentifier() and callable(filter_)):
                what = f"{name!r} is no filter: a name of plain letters, digits and _, and a function"
                broken.append(Broken(plugin, what))
                continue
            if name in BUILT_IN or name in found:
                other = origins.get(f"filter {name}", "built-in")
                broken.append(Broken(plugin, f"two plugins provide the filter {name!r}: {other} and {plugin}", (name,)))
                continue
            origins[f"filter {name}"] = plugin
            found[name] = filter_
    return found


_CODE = re.compile(r"[A-Z][A-Z0-9_]*")


def _collect_codes(
    adapters: Sequence[tuple[str, type[Adapter]]], origins: dict[str, str], broken: list[Broken]
) -> dict[str, Code]:
    """The engine's failure codes and those that adapters declare.

    A plugin that says something else of a code of the engine is not listened to; of two plugins that say different
    things of one code, neither is.
    """
    found = dict(CODES)
    refused: set[str] = set()
    for kind, adapter in adapters:
        plugin = origins[f"{kind} {adapter.name}"]
        if not isinstance(adapter.failure_codes, Sequence):
            broken.append(Broken(plugin, f"{adapter.name}: failure_codes is no sequence of codes"))
            continue
        for code in adapter.failure_codes:
            if not isinstance(code, Code) or not _CODE.fullmatch(code.name) or code.name in NOTICES:
                what = f"{adapter.name}: {code!r} is no failure code: a Code, named in capitals, digits and _"
                broken.append(Broken(plugin, what))
            elif found.setdefault(code.name, code) == code:
                origins.setdefault(f"code {code.name}", plugin)
            else:
                other = "the engine" if code.name in CODES else origins[f"code {code.name}"]
                broken.append(Broken(plugin, f"{other} and {adapter.name} describe the code {code.name} differently"))
                refused |= {code.name} - CODES.keys()
    return {name: code for name, code in found.items() if name not in refused}


def _collect_kinds(manager: pluggy.PluginManager, origins: dict[str, str], broken: list[Broken]) -> dict[str, SpecKind]:
    found: dict[str, SpecKind] = {}
    for plugin, kinds in _implementations(manager, "register_spec_kinds", list, broken):
        for kind in kinds:
            if not isinstance(kind, SpecKind):
                broken.append(Broken(plugin, f"{kind!r} is no SpecKind"))
            elif kind.name in KINDS or kind.name in found:
                other = origins.get(f"kind {kind.name}", "built-in")
                what = f"two plugins provide the kind of spec {kind.name!r}: {other} and {plugin}"
                broken.append(Broken(plugin, what, (kind.name,)))
            else:
                origins[f"kind {kind.name}"] = plugin
                found[kind.name] = kind
    return found
