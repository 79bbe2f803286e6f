"""Reads a job title: which function of a company it belongs to, and how senior it is.

By a table of words in the main European languages, Japanese, Chinese and Korean; a title that the table does not know
gives nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from engine.adapters import Enricher
from engine.asking import EnrichAnswer, Finding
from engine_enrichers.offline.places import fold
from engine_enrichers.offline.tables import entries

Strength = Literal[0, 1, 2]

#: From the highest; of several in one title the highest counts.
SENIORITIES = (
    "owner", "c_level", "partner", "vp", "director", "head", "manager", "senior", "entry", "intern",
)  # fmt: skip
#: A weak word, or words of several functions in one title.
_UNSURE = 0.6
_MARKS: Mapping[str, Strength] = {"?": 0, "!": 2}
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
#: Letters that Unicode does not take apart into a base letter and an accent.
_PLAIN_LETTERS = str.maketrans({"ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "æ": "ae", "Æ": "ae", "œ": "oe", "ı": "i"})
#: The most words, and the most characters where words are not parted, that a phrase has.
_LONGEST = 5
_LONGEST_UNSPACED = 16


class JobTitles(Enricher):
    """Fills `job_function` and `seniority` from the job title. Needs no network and no key.

    Functions: sales, marketing, engineering, it, finance, hr, operations, legal, product, support, executive,
    education, medical, research, design, procurement. Seniorities: see `SENIORITIES`.
    """

    name = "job_titles"
    summary = "Tells the function and the seniority from a job title, in the main languages."
    provides = ("job_function", "seniority")

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return the wanted of the two fields that the title tells; "skipped" without a title. Never raises."""
        title = lead.get("job_title")
        if not isinstance(title, str) or not title.strip():
            return EnrichAnswer("skipped", detail="no job title")
        read = {name: judged for name, judged in zip(self.provides, judge(title), strict=True) if name in wanted}
        findings = {name: Finding(*judged) for name, judged in read.items() if judged}
        return EnrichAnswer("hit", findings) if findings else EnrichAnswer("miss", detail="no word of it is known")


Judged = tuple[str, float] | None


@lru_cache(maxsize=16384)
def judge(title: str) -> tuple[Judged, Judged]:
    """The function and the seniority of a title, each with its confidence from 0 to 1, or None."""
    words = _folded(title).split()
    unspaced = unicodedata.normalize("NFKC", title) if _UNSPACED.search(title) else ""
    tables = _tables()
    if any(True for _ in tables["none"].matches(words, unspaced)):
        return None, None
    functions = list(tables["function"].matches(words, unspaced))
    return _function(functions), _seniority(list(tables["seniority"].matches(words, unspaced)))


@dataclass(frozen=True, slots=True)
class _Sign:
    """What a phrase stands for; `length` in words, or in characters where words are not parted."""

    value: str
    strength: Strength
    length: int


@dataclass(slots=True)
class _Table:
    """The phrases of one field, by how they are looked up."""

    phrases: dict[str, _Sign] = field(default_factory=dict)
    beginnings: dict[str, _Sign] = field(default_factory=dict)
    endings: dict[str, _Sign] = field(default_factory=dict)
    unspaced: dict[str, _Sign] = field(default_factory=dict)

    def add(self, value: str, entry: str) -> None:
        strength = _MARKS.get(entry[-1], 1)
        phrase = entry.rstrip("?!")
        if _UNSPACED.search(phrase):
            self.unspaced[unicodedata.normalize("NFKC", phrase)] = _Sign(value, strength, len(phrase))
            return
        kind = self.endings if phrase[0] == "*" else self.beginnings if phrase[-1] == "*" else self.phrases
        words = _folded(phrase)
        kind[words] = _Sign(value, strength, words.count(" ") + 1)

    def matches(self, words: Sequence[str], unspaced: str) -> Iterator[_Sign]:
        """The signs in the order of the title; at each place the longest, and nothing inside it."""
        at = 0
        while at < len(words):
            sign = self._at(words, at)
            if sign is not None:
                yield sign
            at += sign.length if sign is not None else 1
        at = 0
        while at < len(unspaced):
            cuts = range(min(_LONGEST_UNSPACED, len(unspaced) - at), 0, -1)
            found = next((text for cut in cuts if (text := unspaced[at : at + cut]) in self.unspaced), "")
            if found:
                yield self.unspaced[found]
            at += len(found) or 1

    def _at(self, words: Sequence[str], at: int) -> _Sign | None:
        for count in range(min(_LONGEST, len(words) - at), 0, -1):
            sign = self.phrases.get(" ".join(words[at : at + count]))
            if sign is not None:
                return sign
        word = words[at]
        cuts = range(len(word), 2, -1)
        starts = (self.beginnings.get(word[:cut]) for cut in cuts)
        ends = (self.endings.get(word[-cut:]) for cut in cuts)
        return next((sign for sign in (*starts, *ends) if sign is not None), None)


def _function(signs: list[_Sign]) -> Judged:
    signs = _decisive([sign for sign in signs if sign.value != "-"])
    special = [sign for sign in signs if sign.value != "executive"] or signs
    if not special:
        return None
    chosen = max(special, key=lambda sign: sign.length)  # the first of the longest
    several = len({sign.value for sign in signs}) > 1
    return chosen.value, _UNSURE if several or chosen.strength == 0 else 1.0


def _seniority(signs: list[_Sign]) -> Judged:
    signs = _decisive([sign for sign in signs if sign.value != "-"])
    if not signs:
        return None
    chosen = min(signs, key=lambda sign: SENIORITIES.index(sign.value))
    return chosen.value, _UNSURE if chosen.strength == 0 else 1.0


def _decisive(signs: list[_Sign]) -> list[_Sign]:
    """The signs of the greatest strength that there is."""
    strongest = max((sign.strength for sign in signs), default=0)
    return [sign for sign in signs if sign.strength == strongest]


def _folded(text: str) -> str:
    return fold(text.translate(_PLAIN_LETTERS))


@lru_cache(maxsize=1)
def _tables() -> dict[str, _Table]:
    tables = {"function": _Table(), "seniority": _Table(), "none": _Table()}
    for head, phrases in entries("job_titles.txt"):
        name, _, value = head.partition(" ")
        for phrase in phrases:
            tables[name].add(value, phrase)
    return tables
