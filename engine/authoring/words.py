"""Names: how columns of exports are called in several languages, and how near two names are."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from rapidfuzz import fuzz, process

from engine.columns import ALIASES, squeeze
from engine.records import LEAD_FIELDS


def plain(name: str) -> str:
    """A name in small letters without accents; what is neither letter nor digit becomes a space, as does `fooBar`."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    bare = "".join(each for each in unicodedata.normalize("NFKD", parted.casefold()) if not unicodedata.combining(each))
    bare = bare.translate({ord("ø"): "o", ord("æ"): "ae", ord("ł"): "l", ord("đ"): "d"})
    return " ".join("".join(each if each.isalnum() else " " for each in bare).split())


@cache
def _listed() -> Mapping[str, Any]:
    """The list of names in several languages, without accents, white space and case.

    fields: names by lead field. says_nothing: words that tell whose something is, not what.
    """
    found: dict[str, Any] = json.loads(files("engine").joinpath("authoring/column_names.json").read_text("utf-8"))
    return found


@cache
def _known() -> Mapping[str, str]:
    """Every name that means a lead field, with the field."""
    common = {name: field for field, names in _listed()["fields"].items() for name in names}
    return {**common, **ALIASES, **{squeeze(field): field for field in LEAD_FIELDS}}


def meant_by(name: str) -> tuple[str, float, str] | None:
    """The lead field that a name seems to mean, how surely (0 to 1) and why; None where it means none."""
    words = plain(name).split()
    whole, known = "".join(words), _known()
    if not whole:
        return None
    if whole in known:
        field = known[whole]
        own = whole == squeeze(field)
        return field, 0.98 if own else 0.94, "the field's own name" if own else f"a usual name for {field}"
    telling = [word for word in words if word not in _listed()["says_nothing"]] or words
    if "".join(telling) in known:
        field = known["".join(telling)]
        return field, 0.9, f"{' '.join(telling)!r} is a usual name for {field}"
    near = process.extractOne(whole, list(known), scorer=fuzz.ratio, score_cutoff=86) if len(whole) > 5 else None
    if near is not None:
        return known[near[0]], 0.6 + (near[1] - 86) / 14 * 0.25, f"the name is near {near[0]!r}"
    return _part(telling, known)


def _part(words: list[str], known: Mapping[str, str]) -> tuple[str, float, str] | None:
    """What the longest run of words in a name means; the less of the name it is, the less sure it is."""
    runs = [words[start:end] for start in range(len(words)) for end in range(start + 1, len(words) + 1)]
    total = sum(map(len, words))
    for run in sorted(runs, key=lambda run: (-sum(map(len, run)), words.index(run[0]))):
        joined = "".join(run)
        if len(joined) > 2 and joined in known:
            return known[joined], 0.3 + 0.5 * len(joined) / total, f"{' '.join(run)!r} is a part of the name"
    return None


def likeness(one: str, others: Iterable[str]) -> float:
    """How near a name is to the nearest of several, 0 to 1; case, accents and the order of words do not matter."""
    bare = plain(one)
    scores = [max(fuzz.ratio(bare.replace(" ", ""), other.replace(" ", "")), fuzz.token_sort_ratio(bare, other))
              for other in map(plain, others) if other and bare]  # fmt: skip
    return max(scores, default=0.0) / 100
