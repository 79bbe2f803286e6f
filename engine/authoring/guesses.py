"""What each column of an export seems to be: a lead field, a question with answers, an own field, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from engine.authoring.content import Content, Kind
from engine.authoring.words import meant_by, plain
from engine.columns import recognise
from engine.records import DERIVED_FIELDS, LEAD_FIELDS

Use = Literal["field", "qualifier", "own", "out"]
#: Below this, a proposal is not taken without being asked about.
SURE_ENOUGH = 0.6
#: From this on, a proposal is not marked as one that should be looked at.
SURE = 0.9

_WORDS: frozenset[Kind] = frozenset({"text", "long", "code", "person", "country", "postal"})
_PHONES: frozenset[Kind] = frozenset({"phone", "integer"})
_URLS: frozenset[Kind] = frozenset({"url", "linkedin"})
_NAMED: frozenset[Kind] = frozenset({"text", "person", "code"})
#: What a column of a lead field may hold; a column that holds something else is not that field, whatever its name.
_HOLDS: Mapping[str, frozenset[Kind]] = {
    "email": frozenset({"email"}),
    **dict.fromkeys(("phone", "mobile_phone", "company_phone"), _PHONES),
    **dict.fromkeys(("website", "company_domain"), _URLS),
    **dict.fromkeys(("linkedin_url", "company_linkedin_url"), _URLS),
    **dict.fromkeys(("twitter_url", "facebook_url"), _URLS | {"text", "code"}),
    "captured_at": frozenset({"datetime", "date"}),
    **dict.fromkeys(("country", "country_code"), frozenset({"country", "text", "person"})),
    "postal_code": frozenset({"postal", "integer", "code", "text"}),
    **dict.fromkeys(("first_name", "last_name", "full_name", "middle_name"), _NAMED),
    "captured_by": _NAMED | {"email"},
    "salutation": frozenset({"salutation", "text"}),
    "badge_id": frozenset({"code", "integer", "text", "url"}),
    "remote_id": frozenset({"integer", "code"}),
    **dict.fromkeys(("company_size", "company_revenue", "company_founded"), _WORDS | {"integer", "decimal", "date"}),
}
#: What the content alone says, and how surely.
_BY_CONTENT: Mapping[Kind, tuple[str, float, str]] = {
    "email": ("email", 0.85, "it holds email addresses"),
    "linkedin": ("linkedin_url", 0.9, "it holds LinkedIn addresses"),
    "phone": ("phone", 0.7, "it holds phone numbers"),
    "country": ("country", 0.8, "it holds countries"),
    "salutation": ("salutation", 0.9, "it holds forms of address"),
    "url": ("website", 0.65, "it holds web addresses"),
    "long": ("notes", 0.65, "it holds long texts"),
    "datetime": ("captured_at", 0.5, "it holds points in time"),
    "postal": ("postal_code", 0.65, "it holds postal codes"),
    "person": ("full_name", 0.45, "it may hold names of people"),
    "code": ("badge_id", 0.45, "it holds codes"),
}


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column seems to be.

    field: the lead field, or the name of an own one. confidence: 0 to 1. reason: for people. derived: whether the field
    is filled by something else than a column, which is then empty.
    """

    column: str
    use: Use
    content: Content
    field: str = ""
    confidence: float = 1.0
    reason: str = ""
    derived: bool = False

    @property
    def taken(self) -> bool:
        """Whether it is sure enough to be taken without being asked about."""
        return self.confidence >= SURE_ENOUGH


def guess_columns(columns: Mapping[str, Content]) -> list[Guess]:
    """Propose a use for each column, in their order. No lead field is given twice: the surest column has it."""
    offers = {column: _offers(column, content) for column, content in columns.items()}
    ranked = sorted(
        ((confidence, place, field, reason)
         for place, found in enumerate(offers.values()) for field, confidence, reason in found),
        key=lambda offer: (-offer[0], offer[1]),
    )  # fmt: skip
    names = list(columns)
    given: dict[str, Guess] = {}
    taken: set[str] = set()
    for confidence, place, field, reason in ranked:
        column = names[place]
        if column not in given and field not in taken:
            given[column] = Guess(column, "field", columns[column], field, confidence, reason)
            taken.add(field)
    found: list[Guess] = []
    for column, content in columns.items():
        best = given.get(column)
        found.append(best if best is not None and _beats(best, content) else _otherwise(column, content, best))
    return with_own_names(found)


def with_own_names(guesses: Sequence[Guess]) -> list[Guess]:
    """The guesses with a name for every own field that has none."""
    used = {guess.field for guess in guesses if guess.field}
    named = []
    for number, each in enumerate(guesses, 1):
        guess = each
        if guess.use == "own" and not guess.field:
            guess = replace(guess, field=own_name(guess.column, used, number))
            used.add(guess.field)
        named.append(guess)
    return named


def own_name(column: str, used: Iterable[str], number: int) -> str:
    """A name for a field of one's own: one that no other has, and that is not nearly the name of a lead field."""
    bare = re.sub(r"[^a-z0-9]+", "_", plain(column)).strip("_")[:48].rstrip("_")
    base = bare if bare[:1].isalpha() else f"own_{bare}".rstrip("_")
    for name in (base, f"own_{base}", f"{base}_{number}", f"own_column_{number}"):
        if name not in used and name not in DERIVED_FIELDS and not get_close_matches(name, LEAD_FIELDS, 1, 0.8):
            return name
    return f"own_column_{number}_{len([*used])}"


def fits(field: str, content: Content) -> bool:
    """Whether a column with this content can be this lead field."""
    return content.kind == "empty" or content.kind in _HOLDS.get(field, _WORDS)


def _offers(column: str, content: Content) -> list[tuple[str, float, str]]:
    """The lead fields that a column may be, with confidence and reason."""
    found: list[tuple[str, float, str]] = []
    named = meant_by(column)
    if named is not None and fits(named[0], content):
        field, confidence, reason = named
        if content.kind == "empty":
            confidence, reason = confidence - (0.02 if confidence >= SURE else 0.25), f"{reason}; it is empty here"
        elif field in _HOLDS and content.kind not in ("text", "code", "integer"):  # what it holds says so, too
            held, sure, _ = _BY_CONTENT.get(content.kind, ("", 0.0, ""))
            confidence = min(0.99, max(confidence, sure * content.share if held == field else 0.0) + 0.1)
        found.append((field, confidence, reason))
    if content.kind in _BY_CONTENT:
        field, confidence, reason = _BY_CONTENT[content.kind]
        if not found or found[0][0] != field:
            # What the name says goes first: the head office's number is a phone number, too.
            most = found[0][1] - 0.01 if found else 1.0
            found.append((field, min(most, confidence * content.share), reason))
    return found


def _beats(best: Guess, content: Content) -> bool:
    """Whether a lead field is likelier than a question with a few answers, or a field of one's own."""
    if content.kind == "yes_no":
        return False
    return best.taken or not _asks(content)


def _asks(content: Content) -> bool:
    """Whether a column holds answers to a question."""
    return content.kind == "yes_no" or (content.kind == "text" and len(content.answers) > 1)


def _otherwise(column: str, content: Content, best: Guess | None) -> Guess:
    """What a column is that is no lead field."""
    if _asks(content):
        several = f"several answers, with {content.separator!r} between them" if content.separator else ""
        few = "yes and no" if content.kind == "yes_no" else f"{len(content.answers)} values that recur"
        reason = several or f"it holds {few}"
        if recognise(column) is None or content.kind == "yes_no":
            return Guess(column, "qualifier", content, "", 0.85, reason)
    if content.kind == "empty" and recognise(column) is None:
        return Guess(column, "out", content, "", 0.9, "it is empty")
    return Guess(column, "own", content, "", 0.8 if best is None else 1 - best.confidence, "no lead field is meant")
