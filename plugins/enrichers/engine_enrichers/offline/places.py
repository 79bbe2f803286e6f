"""Countries and their states by ISO 3166, without guessing: alias tables, and exact names and codes of pycountry.

Lookups fold case, accents and punctuation, and are cached, so that a country seen before costs a dictionary access.
pycountry is imported by the first lookup.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

from engine.adapters import Config, Context, Enricher
from engine.asking import EnrichAnswer, Finding
from engine_enrichers.offline.tables import entries
from engine_enrichers.offline.text import clean

CountryForm = Literal["name", "alpha_2", "alpha_3"]
StateForm = Literal["name", "code"]

#: Names in common use where ISO's own are inverted, formal or carry a remark.
_COMMON_NAMES: Mapping[str, str] = {
    "BN": "Brunei",
    "CC": "Cocos Islands",
    "CD": "Democratic Republic of the Congo",
    "FK": "Falkland Islands",
    "FM": "Micronesia",
    "MF": "Saint Martin",
    "PS": "Palestine",
    "RU": "Russia",
    "SX": "Sint Maarten",
    "VA": "Vatican City",
    "VG": "British Virgin Islands",
    "VI": "U.S. Virgin Islands",
}
COUNTRY_FORM: Mapping[str, Any] = {
    "title": "Form of countries",
    "description": "Write a country as its common English name or as an ISO 3166 code.",
    "enum": ["name", "alpha_2", "alpha_3"],
    "default": "name",
    "examples": ["alpha_2"],
}
STATE_FORM: Mapping[str, Any] = {
    "title": "Form of states",
    "description": "Write a state as its ISO 3166-2 name or as the code without the country.",
    "enum": ["name", "code"],
    "default": "name",
    "examples": ["code"],
}
_MISS = EnrichAnswer("miss")
_NOT_WORD = re.compile(r"[\W_]+")


class Places(Enricher):
    """Fills a country or state from its code and the code from its name. Needs no network and no key."""

    name = "places"
    summary = "Fills in country and state from their ISO 3166 codes, and the codes from the names."
    provides = ("country", "country_code", "state", "state_code")
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"country_form": {**COUNTRY_FORM, "enum": ["name", "alpha_3"], "examples": ["alpha_3"]}},
    }

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._country_form: CountryForm = config.get("country_form", "name")

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return the wanted fields that follow from the others; a state is looked up in the lead's country alone."""
        country = country_of(lead)
        if country is None:
            return _MISS
        found: dict[str, str | None] = {"country": country_as(country, self._country_form), "country_code": country}
        state = lead.get("state") or lead.get("state_code")
        if isinstance(state, str):
            found |= {"state": state_as(state, country, "name"), "state_code": state_as(state, country, "code")}
        findings = {
            field: Finding(value) for field, value in found.items() if value and field in wanted and not lead.get(field)
        }
        return EnrichAnswer("hit", findings) if findings else _MISS


def fold(text: str) -> str:
    """The text for comparison: small letters, no accents, words separated by one space."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return _NOT_WORD.sub(" ", bare).strip()


@lru_cache(maxsize=4096)
def country_code(text: str) -> str | None:
    """The ISO 3166 alpha-2 code of a country given by name, common alias or code; None where it is not known."""
    folded = fold(clean(text))
    if folded == "n a":
        return None  # not available, and not Namibia
    squeezed = folded.replace(" ", "") if "." in text else ""
    index = _country_index()
    return index.get(folded) or index.get(squeezed) or index.get(folded.removeprefix("the "))


def country_of(lead: Mapping[str, Any]) -> str | None:
    """The alpha-2 code of a lead's country, by its name or else by its code; None where neither is known.

    A name that is not understood is not contradicted by a code: then nothing is known.
    """
    written = lead.get("country") or lead.get("country_code")
    return country_code(written) if isinstance(written, str) else None


@lru_cache(maxsize=1024)
def country_as(code: str, form: CountryForm) -> str:
    """A country's common name, alpha-2 or alpha-3 code, from its alpha-2 code."""
    country = _countries()[code]
    if form == "name":
        return _COMMON_NAMES.get(code) or str(getattr(country, "common_name", country.name))
    return str(getattr(country, form))


@lru_cache(maxsize=16384)
def state_as(text: str, country: str, form: StateForm) -> str | None:
    """A state of the country (alpha-2) as ISO 3166-2 has it; None where the text names none, or more than one."""
    folded = fold(clean(text))
    states = _state_index(country)
    code = states.get(folded) or states.get(folded.removeprefix(country.lower() + " "))
    if code is None:
        return None
    return code if form == "code" else _state_names(country)[code]


@lru_cache(maxsize=1)
def _countries() -> dict[str, Any]:
    import pycountry

    return {country.alpha_2: country for country in pycountry.countries}


@lru_cache(maxsize=1)
def _country_index() -> dict[str, str]:
    index: dict[str, str] = {}
    for code, country in _countries().items():
        for name in ("alpha_3", "name", "common_name", "official_name", "alpha_2"):
            if hasattr(country, name):
                index[fold(getattr(country, name))] = code
    index |= {fold(name): code for code, name in _COMMON_NAMES.items()}
    return index | _aliases()


def _aliases() -> dict[str, str]:
    return {fold(alias): code for code, aliases in entries("country_aliases.txt") for alias in aliases}


@lru_cache(maxsize=1)
def _state_aliases() -> dict[str, dict[str, list[str]]]:
    """Country → code of the state → its names, the one to show first."""
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for code, names in entries("state_names.txt"):
        country, _, state = code.partition("-")
        found[country][state] = names
    return found


def _subdivisions(country: str) -> list[Any]:
    import pycountry

    found: list[Any] | None = pycountry.subdivisions.get(country_code=country)  # type: ignore[no-untyped-call]
    return found or []


@lru_cache(maxsize=256)
def _state_names(country: str) -> dict[str, str]:
    """Code → name as it is shown."""
    names = {state.code.partition("-")[2]: str(state.name) for state in _subdivisions(country)}
    return names | {code: aliases[0] for code, aliases in _state_aliases().get(country, {}).items()}


@lru_cache(maxsize=256)
def _state_index(country: str) -> dict[str, str]:
    """Folded name or code → code; a name shared by a region and a part of it means the region."""
    named: dict[str, list[Any]] = defaultdict(list)
    for state in _subdivisions(country):
        named[fold(state.name)].append(state)
    index: dict[str, str] = {}
    for name, states in named.items():
        top = [state for state in states if state.parent_code is None] or states
        if len(top) == 1:
            index[name] = top[0].code.partition("-")[2]
    aliases = _state_aliases().get(country, {})
    index |= {fold(alias): code for code, names in aliases.items() for alias in names}
    return index | {fold(code): code for code in _state_names(country)}
