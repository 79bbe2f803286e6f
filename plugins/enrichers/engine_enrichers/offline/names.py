"""Fills the parts of a person's name from the whole and the whole from the parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from engine.adapters import Config, Context, Enricher
from engine.asking import EnrichAnswer, Finding
from engine_enrichers.offline.name_parts import (
    NameParts,
    Order,
    joined,
    leading_title,
    same_name,
    split,
    trailing_suffix,
)
from engine_enrichers.offline.places import country_of

_PARTS = ("first_name", "middle_name", "last_name", "salutation", "name_suffix")


class Names(Enricher):
    """Splits `full_name`, joins it, and moves titles and degrees out of captured names. Needs no network and no key.

    A captured first and last name stay as they are, but for a title (`Dr. Ada`) or a degree (`Lovelace, PhD`), which
    has fields of its own. A name that could be split in two ways is not split.
    """

    name = "names"
    summary = "Splits whole names into their parts, and keeps titles and degrees apart from them."
    rewrites = True
    provides = ("full_name", *_PARTS)
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "order": {
                "title": "Order of whole names",
                "description": "What stands first in a name without a comma; `detect` leaves alone what is not clear.",
                "enum": ["detect", "given_first", "family_first"],
                "default": "detect",
                "examples": ["family_first"],
            },
        },
    }

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._order: Order = config.get("order", "detect")

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return the wanted fields that are missing and known, and the names that a title was taken out of."""
        captured = {name: value for name in self.provides if isinstance(value := lead.get(name), str) and value.strip()}
        changes = {name: Finding(value) for name, value in _moved(captured, wanted).items()}
        names = captured | {name: finding.value for name, finding in changes.items()}
        country = country_of(lead)
        whole = captured.get("full_name", "")
        from_parts = _whole(names, country)
        if not whole and from_parts:
            changes["full_name"] = Finding(from_parts)
        elif whole and whole != from_parts and (parts := split(whole, self._order, country)):
            changes |= _missing(parts, names)
        findings = {name: finding for name, finding in changes.items() if name in wanted}
        return EnrichAnswer("hit", findings) if findings else EnrichAnswer("miss")


def _moved(captured: Mapping[str, str], wanted: Sequence[str]) -> dict[str, str]:
    """The names without their titles and degrees, where those have a field that is free or says the same."""
    moved: dict[str, str] = {}
    places = (("first_name", "salutation", leading_title), ("last_name", "name_suffix", _suffix_and_name))
    for name, target, take in places:
        taken, rest = take(captured.get(name, ""))
        held = captured.get(target)
        if not taken or name not in wanted:
            continue
        if held is None and target in wanted:
            moved |= {name: rest, target: taken}
        elif held is not None and same_name(held, taken):
            moved[name] = rest
    return moved


def _whole(names: Mapping[str, str], country: str | None) -> str:
    """The whole name from its parts; empty where the first or the last one is missing."""
    first, middle, last, suffix = (
        names.get(name, "") for name in ("first_name", "middle_name", "last_name", "name_suffix")
    )
    named = all(any(map(str.isalpha, name)) for name in (first, last))
    return joined(first, middle, last, suffix, country) if named else ""


def _suffix_and_name(name: str) -> tuple[str, str]:
    rest, suffix = trailing_suffix(name)
    return suffix, rest


def _missing(parts: NameParts, names: Mapping[str, str]) -> dict[str, Finding]:
    """The parts that the lead lacks, if those that it has are the same."""
    held = [(names[name], getattr(parts, name)) for name in ("first_name", "last_name") if name in names]
    if not all(same_name(one, other) for one, other in held):
        return {}
    found = {name: getattr(parts, name) for name in _PARTS if name not in names}
    return {name: Finding(value, parts.confidence) for name, value in found.items() if value}
