"""The parts of the documentation that come from the provider files: their format, and which of them are shipped."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine_enrichers.commands.show import described
from engine_enrichers.declared.catalogue import ProviderFile, shipped_files
from engine_enrichers.declared.provider_files import provider_schema
from generate_tables import HEAD, inside, rows, table

#: Parts of the schema that have a section of their own, and its title.
_SECTIONS = {"request": "Request", "outcomes": "Outcome rules", "confidence": "Confidence", "limits": "Limits"}
#: Small parts of the schema, in words.
_WORDS = {
    "path": "JMESPath",
    "field": "lead field",
    "inputs": "list of inputs",
    "parameter": "text, number, true or false, or `{$if_wanted: …, $then: …}`",
}
_AVAILABILITY = {
    "open": "",
    "sales": "by contract",
    "legacy": "keys of former times",
    "unconfirmed": "not seen working",
}


def provider_format() -> Iterator[str]:
    """Every key of a provider file."""
    root = _readable(copy.deepcopy(provider_schema()))
    yield from table(HEAD, rows(root, root))
    for name, title in _SECTIONS.items():
        schema = root["$defs"][name]
        yield from ("", f"### {title}", "", schema["description"], "")
        yield from table(HEAD, [row for row in inside(schema, root, ".") if row[0] != "`.`"])


def _readable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with small parts in words, and a title and a description for those with a section of their own."""
    defs = schema["$defs"]
    defs["request"]["description"] = "One call. A text with an empty placeholder in it is left out."
    defs["outcomes"]["description"] = "A list of rules; the first that fits says what an answer is."
    defs["limits"]["description"] = "What the provider allows. The step's `limits` replaces all of it."
    for name, title in _SECTIONS.items():
        defs[name]["title"] = title
    defs["request_part"] = {**defs["request"], "title": _SECTIONS["request"]}
    found: dict[str, Any] = _worded(schema)
    return found


def _worded(node: Any) -> Any:
    if isinstance(node, list):
        return [_worded(each) for each in node]
    if not isinstance(node, dict):
        return node
    words = _WORDS.get(str(node.get("$ref", "")).removeprefix("#/$defs/"))
    kept = {key: _worded(child) for key, child in node.items() if words is None or key != "$ref"}
    return kept if words is None else {**kept, "type": words}


def shipped_providers() -> Iterator[str]:
    """A row for each provider file that comes with the enrichers."""
    head = ("provider", "asked with, best first", "lead fields", "credentials", "credits", "answers", "who can use it")
    yield from table(head, (_row(described(ProviderFile(path, ""))) for path in shipped_files()))


def _row(found: Mapping[str, Any]) -> tuple[str, ...]:
    cost = found["cost"]
    credits = f"{cost['hit']:g} a hit" + (f", {cost['miss']:g} a miss" if cost["miss"] else "")
    credits += "".join(f", {more:g} more for `{field}`" for field, more in cost["fields"].items())
    if price := cost["price"]:
        credits += f"; {price['amount']:g} {price['currency']} each"
    answers = "may come later" if found["async"] else "at once"
    if found["batch"] > 1:
        answers += f"; up to {found['batch']} together"
    return (
        f"[{found['name']}]({found['docs']})",
        "; or ".join(" + ".join(f"`{name}`" for name in names) for names in found["inputs"]),
        ", ".join(f"`{name}`" for name in found["fields"]),
        found["auth"],
        credits,
        answers,
        _AVAILABILITY[found["availability"]],
    )


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {
    "provider-format": provider_format,
    "shipped-providers": shipped_providers,
}
