"""Schemas for editors: those of the kinds of spec, with what the installed plugins add to them.

The names of adapters, their settings, the lead fields and, on request, the vendor's own fields become completions.
`engine check` decides what is right; an editor with these schemas says most of it while one types.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.adapters import Adapter
from engine.plugins import Plugins
from engine.records import LEAD_FIELDS, Field
from engine.spec_files import KINDS, schema

_REFERENCE: Mapping[str, Any] = {
    "title": "Reference",
    "description": "Where a value is kept: an environment variable, a file, or an entry of the keyring.",
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "env": {"title": "Environment variable", "description": "Its name.", "type": "string",
                "examples": ["MARKETO_CLIENT_SECRET"]},
        "default": {"title": "Default", "description": "The value where the variable is not set.",
                    "examples": ["https://123-ABC-456.mktorest.com"]},
        "optional": {"title": "Optional", "description": "Whether the setting is left out where the variable is not"
                     " set.", "type": "boolean", "default": False, "examples": [True]},
        "file": {"title": "File", "description": "A file with the value as its text.", "type": "string",
                 "examples": ["secrets/marketo"]},
        "keyring": {"title": "Keyring", "description": "An entry of the operating system's keyring, SERVICE/NAME.",
                    "type": "string", "examples": ["lead-engine/marketo"]},
    },
}  # fmt: skip

_SETTING = {"$ref": "#/$defs/reference"}


def editor_schema(kind: str, plugins: Plugins, fields: Sequence[Field] = ()) -> dict[str, Any]:
    """The schema of a kind for editors. `fields`: those of the vendor, which a mapping's rows then complete from."""
    if kind in plugins.kinds:
        return copy.deepcopy(dict(plugins.kinds[kind].schema()))
    made = copy.deepcopy(dict(schema(kind)))
    parts = made["$defs"]
    parts["reference"] = dict(_REFERENCE)
    _adapters(parts["source"], plugins.sources, without=("path",))
    _adapters(parts["steps"]["items"], plugins.enrichers)
    _adapters(parts["destination"], plugins.vendors)
    columns = parts["source"]["properties"]["columns"]
    columns["additionalProperties"] = {
        "anyOf": [{"title": "Lead field", "enum": list(LEAD_FIELDS)}, columns["additionalProperties"]]
    }
    if fields:
        _vendor_fields(parts["mapping"], fields)
    if kind in parts:  # its own part was copied before the parts were completed
        made |= parts[kind]
    return _with_used_parts(made, parts)


def write_schemas(folder: Path, plugins: Plugins, fields: Sequence[Field] = ()) -> list[Path]:
    """Write the schema of every kind into a folder, as KIND.json. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in (*KINDS, *plugins.kinds):
        path = folder / f"{kind}.json"
        path.write_text(as_text(editor_schema(kind, plugins, fields)), "utf-8")
        written.append(path)
    return written


def as_text(schema: Mapping[str, Any]) -> str:
    """A schema as it is written to a file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _with_used_parts(made: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with those definitions alone that it refers to, and each long setting that recurs written once."""
    made = {key: value for key, value in made.items() if key != "$defs"}
    used: dict[str, Any] = {}
    open_ = [made]
    while open_:
        text = json.dumps(open_.pop())
        for name in re.findall(r'"#/\$defs/(\w+)', text):
            if name not in used:
                used[name] = parts[name]
                open_.append(parts[name])
    counts = Counter(_settings_in(used))
    shared = {text: f"setting_{number}" for number, (text, count) in enumerate(sorted(counts.items()), 1) if count > 1}
    made["$defs"] = _interned(used, shared) | {name: json.loads(text) for text, name in shared.items()}
    return made


def _settings_in(node: Any) -> Iterator[str]:
    """Every alternative of a setting beside its reference, as text."""
    if isinstance(node, dict):
        if node.get("anyOf", [None])[-1] == _SETTING:
            yield json.dumps(node["anyOf"][0])
        for value in node.values():
            yield from _settings_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from _settings_in(value)


def _interned(node: Any, shared: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        if node.get("anyOf", [None])[-1] == _SETTING and (name := shared.get(json.dumps(node["anyOf"][0]))):
            return {"anyOf": [{"$ref": f"#/$defs/{name}"}, _SETTING]}
        return {key: _interned(value, shared) for key, value in node.items()}
    return [_interned(value, shared) for value in node] if isinstance(node, list) else node


def _adapters(part: dict[str, Any], adapters: Mapping[str, type[Adapter]], without: Iterable[str] = ()) -> None:
    """Complete `use` with the adapters' names, and `config` with the settings of the one that is used."""
    use = part["properties"]["use"]
    part["properties"]["use"] = {
        **use,
        "anyOf": [{"const": name, "description": adapters[name].summary} for name in sorted(adapters)],
    }
    rules = []
    for name in sorted(adapters):
        settings = _settings(adapters[name], set(without))
        rules.append({
            "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
            "then": {"properties": {"config": settings}},
        })  # fmt: skip
    part["allOf"] = rules


def _settings(adapter: type[Adapter], without: set[str]) -> dict[str, Any]:
    """The schema of an adapter's settings, each of which may be a reference; of a secret nothing else is right."""
    found = copy.deepcopy(dict(adapter.config_schema))
    properties = {}
    for name, given in found.get("properties", {}).items():
        if name in without:
            continue
        told = {key: given[key] for key in ("title", "description", "default", "examples") if key in given}
        if name in adapter.secrets:
            told.pop("examples", None)
            properties[name] = {**told, **_SETTING}
        else:
            properties[name] = {"anyOf": [given, _SETTING]}
    found["properties"] = properties
    found["required"] = [name for name in found.get("required", ()) if name not in without]
    return found


def _vendor_fields(part: dict[str, Any], fields: Sequence[Field]) -> None:
    """Let the rows of a mapping complete from the vendor's fields, with what is known of each."""
    rows = part["properties"]["fields"]
    rows["properties"] = {
        field.name: {
            "title": field.label or field.name,
            "description": _told(field),
            "$ref": "#/$defs/field",
        }
        for field in sorted(fields, key=lambda each: each.name.lower())
        if field.writable
    }
    names = sorted(field.name for field in fields if field.writable)
    target = part["properties"]["qualifiers"]["additionalProperties"]["properties"]["field"]
    target["anyOf"] = [{"enum": names}, {"type": "string"}]


def _told(field: Field) -> str:
    size = f", at most {field.length} characters" if field.length is not None else ""
    options = f". Options: {', '.join(field.options[:20])}" if field.options else ""
    return f"{field.type}{size}{options}"
