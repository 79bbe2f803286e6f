"""Countries and their states by ISO 3166, without guessing: an alias table, then exact names and codes of pycountry.

Lookups fold case, accents and punctuation, and are cached, so that a country seen before costs a dictionary access.
pycountry is imported by the first lookup.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

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
_STATE_ALIASES: Mapping[tuple[str, str], str] = {
    ("US", "washington dc"): "DC",
    ("US", "d c"): "DC",
    ("US", "washington d c"): "DC",
    ("CA", "newfoundland"): "NL",
    ("CA", "pei"): "PE",
}
_NOT_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """The text for comparison: small letters, no accents, words separated by one space."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return _NOT_WORD.sub(" ", bare).strip()


@lru_cache(maxsize=4096)
def country_code(text: str) -> str | None:
    """The ISO 3166 alpha-2 code of a country given by name, common alias or code; None where it is not known."""
    folded = fold(text)
    index = _country_index()
    return index.get(folded) or index.get(folded.replace(" ", "")) or index.get(folded.removeprefix("the "))


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
    folded = fold(text)
    states = _state_index(country)
    alias = _STATE_ALIASES.get((country, folded))
    code = alias or states.get(folded) or states.get(folded.removeprefix(country.lower() + " "))
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
    text = resources.files(__package__).joinpath("data/country_aliases.txt").read_text("utf-8")
    lines = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {fold(alias): code for code, _, names in lines for alias in names.split(",")}


def _subdivisions(country: str) -> list[Any]:
    import pycountry

    found: list[Any] | None = pycountry.subdivisions.get(country_code=country)  # type: ignore[no-untyped-call]
    return found or []


@lru_cache(maxsize=256)
def _state_names(country: str) -> dict[str, str]:
    return {state.code.partition("-")[2]: str(state.name) for state in _subdivisions(country)}


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
    return index | {fold(code): code for code in _state_names(country)}
