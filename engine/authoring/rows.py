"""Which field of the vendor each lead field and each qualifier goes to: the usual ones first, then by name and type."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rapidfuzz import fuzz, process

from engine.adapters import Vendor
from engine.authoring.content import Content, Kind, is_yes, yes_or_no
from engine.authoring.guesses import Guess
from engine.authoring.words import likeness
from engine.casts import CASTS
from engine.filters import fold
from engine.records import Field

#: From this likeness on, a vendor's field is proposed; below it, it is named as a candidate.
_LIKE = 0.9
_CANDIDATE = 0.55
_CANDIDATES = 3
#: How vendors' fields are called that hold a lead field, beside its own name.
_CALLED: Mapping[str, Sequence[str]] = {
    "scans": ("scan count", "badge scans", "number of scans"),
    "linkedin_url": ("linkedin", "linkedin profile", "linkedin profile url"),
    "badge_id": ("badge", "badge number"),
    "captured_at": ("scan time", "scanned at", "capture time"),
    "captured_by": ("scanned by",),
    "notes": ("event notes", "booth notes", "lead notes"),
    "event": ("last event", "event name"),
}
_DATES: frozenset[Kind] = frozenset({"date", "datetime"})
#: By the type of a vendor's field, the contents that go into it; every other type takes any text.
_TAKES: Mapping[str, frozenset[Kind]] = {
    "email": frozenset({"email"}),
    "phone": frozenset({"phone", "integer"}),
    "url": frozenset({"url", "linkedin"}),
    **dict.fromkeys(("integer", "percent"), frozenset[Kind]({"integer"})),
    **dict.fromkeys(("float", "currency"), frozenset[Kind]({"integer", "decimal"})),
    "boolean": frozenset({"yes_no"}),
    **dict.fromkeys(("date", "datetime"), _DATES),
    "reference": frozenset(),
}
#: What the usual field of a lead field takes, where no field list says so; every other one takes texts.
_USUALLY: Mapping[str, str] = {
    "email": "email",
    **dict.fromkeys(("phone", "mobile_phone", "company_phone"), "phone"),
    "website": "url",
    **dict.fromkeys(("company_size", "company_revenue"), "integer"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the mapping as it is proposed: what of the lead goes to which field of the vendor.

    target: empty where none is sure enough. candidates: fields that it may be. options: option by answer, for a
    qualifier whose field wants them; `unmatched`: its answers that are like no option.
    """

    guess: Guess
    target: str = ""
    value: str = ""
    confidence: float = 0.0
    reason: str = ""
    candidates: tuple[str, ...] = ()
    too_long: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What of the lead it writes, for people."""
        return self.guess.column if self.guess.use == "qualifier" else f"lead.{self.guess.field}"


def propose(guesses: Iterable[Guess], vendor: type[Vendor], fields: Sequence[Field] | None) -> list[Row]:
    """A row for each guess that is taken. `fields`: those of the vendor, None where only the usual ones are known.

    No field of the vendor is given twice: the surest row has it, and the others name it as a candidate.
    """
    known = {each.name: each for each in _usual(vendor) if fields is None} | {each.name: each for each in fields or ()}
    taken = [guess for guess in guesses if guess.use != "out" and guess.taken]
    offers = [sorted(_offers(guess, vendor, known.values()), key=lambda offer: -offer[0]) for guess in taken]
    ranked = sorted(
        ((confidence, place, target, reason)
         for place, found in enumerate(offers) for confidence, target, reason in found if confidence >= 0.95 * _LIKE),
        key=lambda offer: (-offer[0], offer[1]),
    )  # fmt: skip
    rows: dict[int, Row] = {}
    used: set[str] = set()
    for confidence, place, target, reason in ranked:
        if place in rows or target in used:
            continue
        row = aimed(Row(taken[place], confidence=confidence, reason=reason), known.get(target, Field(target)))
        if row.confidence < 0.6:
            continue
        rows[place] = row
        used.add(target)
    made = []
    none = "no field is like it" if fields is not None else "no usual field; `engine fields` shows all"
    for place, guess in enumerate(taken):
        own = rows[place].target if place in rows else ""
        candidates = tuple(target for _, target, _ in offers[place] if target not in used - {own})[:_CANDIDATES]
        row = rows.get(place) or Row(
            guess, value="" if guess.use == "qualifier" else f"lead.{guess.field}", reason=none
        )
        made.append(replace(row, candidates=candidates))
    return made


def aimed(row: Row, to: Field) -> Row:
    """The row with this field of the vendor as its target: its expression, options and cutting follow from the two."""
    guess, content = row.guess, row.guess.content
    row = replace(row, target=to.name, options={}, unmatched=(), too_long=False)
    if guess.use == "qualifier":
        options, unmatched = _options(content.answers, to)
        some = len(options) / len(content.answers) if unmatched else 1.0
        return replace(row, value="", options=options, unmatched=unmatched, confidence=row.confidence * some)
    fits_not = (to.length is not None and content.longest > to.length) or (
        to.max_bytes is not None and content.longest * 4 > to.max_bytes
    )
    value, sure = _expression(guess.field, content, to)
    return replace(
        row, value=value, confidence=row.confidence * sure, too_long=fits_not and to.type in ("string", "text"),
        reason=row.reason if sure == 1 else f"{row.reason}, but days and months cannot be told apart",
    )  # fmt: skip


def suits(to: Field, content: Content, *, question: bool = False) -> float:
    """How well a vendor's field takes a content, 0 (never) to 1."""
    if not to.writable:
        return 0.0
    kinds = _TAKES.get(to.type)
    if question and to.type in ("integer", "float", "percent", "currency") and content.kind == "yes_no":
        return 0.0
    if kinds is None:
        return 0.0 if content.kind in _DATES else 1.0
    if content.kind == "empty":
        return 0.9 if kinds else 0.0
    if content.kind not in kinds:
        return 0.0
    return 1.0 if content.share == 1 or to.type in ("email", "phone", "url") else 0.6


def _usual(vendor: type[Vendor]) -> list[Field]:
    return [Field(target, _USUALLY.get(name, "string")) for name, target in vendor.usual_fields.items()]


def _offers(guess: Guess, vendor: type[Vendor], known: Collection[Field]) -> Iterable[tuple[float, str, str]]:
    """The vendor's fields that take what a guess holds, with confidence and reason."""
    question = guess.use == "qualifier"
    usual = vendor.usual_fields.get(guess.field, "") if guess.use == "field" else ""
    names = [guess.column, *(() if question else (guess.field, *_CALLED.get(guess.field, ())))]
    for to in known:
        suiting = suits(to, guess.content, question=question)
        if not suiting:
            continue
        if to.name == usual:
            yield 0.99 * suiting, to.name, "usual"
            continue
        called = (to.name.removesuffix("__c"), to.label)
        like = max(likeness(name, called) for name in names)
        # Most fields of this type say that somebody wants no mail: no hint, where the name is not really like it.
        if like >= (0.8 if to.type == "boolean" else _CANDIDATE):
            same = "the same name" if like == 1 else f"{like:.0%} like {to.label or to.name!r}"
            yield 0.95 * like * suiting, to.name, same


def _expression(name: str, content: Content, to: Field) -> tuple[str, float]:
    """The expression for a field of this type, and how sure the form of its dates is, 0 to 1."""
    value = f"lead.{name}"
    if to.type in ("date", "datetime") and content.forms:
        form = content.forms[0]
        timed = content.kind == "datetime"
        value += f" | datetime({form!r})" if timed or to.type == "datetime" else f" | date({form!r})"
        value += " | date" if timed and to.type == "date" else ""
    return value, 0.5 if len(content.forms) > 1 and to.type in ("date", "datetime") else 1.0


def _options(answers: Sequence[str], to: Field) -> tuple[dict[str, str], tuple[str, ...]]:
    """Option by answer where the field has options of its own, and the answers that are like none of them."""
    if to.type == "boolean":
        return ({} if _castable(answers) else {answer: "true" if is_yes(answer) else "false" for answer in answers}), ()
    if not to.options:
        return {}, ()
    by_fold = {fold(option): option for option in to.options}
    found: dict[str, str] = {}
    for answer in answers:
        near = process.extractOne(fold(answer), list(by_fold), scorer=fuzz.ratio, score_cutoff=85)
        if near is not None:
            found[answer] = by_fold[near[0]]
    return found, tuple(answer for answer in answers if answer not in found)


def _castable(answers: Sequence[str]) -> bool:
    """Whether the engine casts these answers to true and false by itself."""
    try:
        return yes_or_no(answers) and all(isinstance(CASTS["boolean"](answer), bool) for answer in answers)
    except ValueError:
        return False
