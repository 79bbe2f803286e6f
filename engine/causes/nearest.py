"""Which of several names is meant by one that is written otherwise; none where that is not clear."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from rapidfuzz import fuzz

from engine.filters import fold

#: Likeness, from 0 to 100, below which nothing is guessed, and the lead over the second that a guess needs.
LEAST = 75.0
_LEAD = 8.0
#: What people write where they have nothing to say.
_NOTHING = frozenset({
    "n/a", "na", "n.a.", "n.a", "#n/a", "none", "null", "nil", "nan", "nothing", "unknown", "not available",
    "not applicable", "not known", "tbd", "tba", "undefined", "empty", "blank",
})  # fmt: skip


def says_nothing(value: str) -> bool:
    """Whether a value stands for no value: `n/a`, `none`, or signs alone."""
    return fold(value) in _NOTHING or not any(character.isalnum() for character in value)


def nearest(wanted: str, meanings: Mapping[str, str]) -> str | None:
    """What is meant by a text, among names and what each means; None where it resembles none, or two of them alike."""
    scores: dict[str, float] = {}
    for name, meaning in meanings.items():
        scores[meaning] = max(scores.get(meaning, 0.0), likeness(wanted, name))
    ranked = sorted(scores.items(), key=lambda each: -each[1])
    if not ranked or ranked[0][1] < LEAST:
        return None
    if len(ranked) > 1 and ranked[0][1] - ranked[1][1] < _LEAD and ranked[1][1] >= LEAST:
        same = [meaning for meaning in scores if scores[meaning] == ranked[0][1] == 100.0]
        return same[0] if len(same) == 1 else None
    return ranked[0][0]


def nearest_of(wanted: str, names: Iterable[str]) -> str | None:
    """The name that is meant by a text, or None."""
    return nearest(wanted, {name: name for name in names})


def likeness(one: str, other: str) -> float:
    """How alike two texts are, from 0 to 100; case, white space and accents count for nothing, the order for little."""
    left, right = _bare(one), _bare(other)
    if left == right:
        return 100.0
    return min(99.0, max(fuzz.ratio(left, right), fuzz.token_sort_ratio(left, right)))


def _bare(text: str) -> str:
    apart = unicodedata.normalize("NFKD", fold(text)[:1_000])
    return "".join(character for character in apart if not unicodedata.combining(character))
