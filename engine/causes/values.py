"""Values that do not fit their field: too long, not among its options, not of its type, or refused by the vendor."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.casts import CASTS
from engine.causes.case import Case, Proposal, listed
from engine.causes.nearest import nearest_of, says_nothing
from engine.causes.readers import reader_for
from engine.field_rows import Problems, compile_rows, fitter
from engine.filters import text
from engine.records import Answer, Field
from engine.spec_edit import Append, Keys, Put, Step
from engine.specs import FieldRow, QualifierRow

_LONGER = "is longer than"
_NO_OPTION = "is not among the options of the field"
_REFUSED = "was refused by the vendor"
#: Values that a list of options is not lengthened by.
_MANY = 20


def proposals(case: Case) -> Iterator[Proposal]:
    """The changes that may help, the likeliest first."""
    rows = [(at, row, known, _refused(case, row, known)) for at, row, known in case.field_rows()]
    answers = [(at, row, _answers(case, row)) for at, row in case.qualifier_rows()]
    case.mention([*(value for *_, why in rows for value in why), *(each for *_, given in answers for each in given)])
    for at, row, known, why in rows:
        yield from _of_row(case, at, row, known.get(row.target), why)
    for at, qualifier, given in answers:
        yield from _of_answers(case, at, qualifier, given)


def _refused(case: Case, row: FieldRow, known: Mapping[str, Field]) -> dict[str, tuple[str, int]]:
    """The values of a row that do not fit: why, and how many leads have each, the most frequent first."""
    filled = compile_rows([row], case.names, known)
    why: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for failed in case.leads:
        lead = failed.lead
        bad: Problems = []
        out: dict[str, Any] = {}
        fields = {**lead.fields, "scans": lead.scans, **({"remote_id": lead.remote_id} if lead.remote_id else {})}
        filled.fill(fields, lead.qualifiers, out, out, out, bad, [])
        value, reason = (bad[0][1], bad[0][2]) if bad else (None, "")
        if not bad and failed.stage not in ("map", "capture"):
            sent = failed.sent or {}
            value, reason = {**sent.get("if_blank", {}), **sent.get("fields", {})}.get(row.target), _REFUSED
        if value is not None and text(value):
            why.setdefault(text(value), reason)
            counts[text(value)] += 1
    return {value: (why[value], count) for value, count in counts.most_common()}


def _of_row(
    case: Case, at: Keys, row: FieldRow, remote: Field | None, refused: Mapping[str, tuple[str, int]]
) -> Iterator[Proposal]:
    by_why: dict[str, list[str]] = defaultdict(list)
    for value, (why, _) in refused.items():
        by_why[_LONGER if why.startswith(_LONGER) else why if why in (_NO_OPTION, _REFUSED) else "type"].append(value)
    options = row.options or (remote.options if remote else ())
    instead = {value: new for value, new in case.given.items() if value in refused}
    unclear: list[str] = []
    for value in [*by_why[_NO_OPTION], *by_why[_REFUSED], *by_why["type"]]:
        if value in instead:
            continue
        guess = "" if says_nothing(value) else nearest_of(value, options) if options else None
        if guess is not None and guess != value:
            instead[value] = guess
        else:
            unclear.append(value)
    reads = _reading(case, at, row, remote, by_why["type"], instead)
    first, second = (_instead(at, row, instead, unclear), reads) if instead else (reads, None)
    if reads is not None and len(reads.steps) > 1:
        first, second = reads, first  # reads all of them
    if by_why[_LONGER] and row.too_long != "truncate":
        what = f"{row.target}: cut texts that are longer than the field"
        yield Proposal(what, (Put((*at, "too_long"), "truncate"),))
    yield from (each for each in (first, second) if each is not None)
    strange = [value for value in by_why[_NO_OPTION] if value not in case.given]
    if row.options and not (remote and remote.options) and 0 < len(strange) <= _MANY:
        what = f"{row.target}: take {listed(dict.fromkeys(strange))} as well"
        yield Proposal(what, tuple(Append((*at, "options"), value) for value in strange))


def _instead(at: Keys, row: FieldRow, instead: Mapping[str, str], unclear: Iterable[str]) -> Proposal:
    what = f"{row.target}: write {_pairs(instead)}"
    return Proposal(what, (_put_values(at, instead),), tuple(unclear))


def _put_values(at: Keys, instead: Mapping[str, str]) -> Step:
    return Put((*at, "values"), dict(instead))


def _reading(
    case: Case, at: Keys, row: FieldRow, remote: Field | None, values: list[str], instead: Mapping[str, str]
) -> Proposal | None:
    """Read values that are written in another form; with others among them that stand for nothing, these as well."""
    kind = row.type or (remote.type if remote else "")
    written = [value for value in values if not says_nothing(value) and value not in case.given]
    found = reader_for(kind, written) if kind in CASTS and written else None
    if found is None:
        return None
    mixed = bool(instead)
    if mixed and not found.tolerant:
        return None
    expression = f"{_in_brackets(row.value)} | {found.tolerant if mixed else found.filter}"
    place: Keys = at if _is_short(row) else (*at, "value")
    steps: tuple[Step, ...] = (Put(place, expression),)
    what = f"{row.target}: read {found.what}, as in {written[0]!r}"
    if mixed:
        return Proposal(f"{what}; write {_pairs(instead)}", (*steps, _put_values(at, instead)))
    return Proposal(what, steps)


def _is_short(row: FieldRow) -> bool:
    """Whether a row says nothing but its expression, so that it may be written in short."""
    return row == FieldRow(row.target, row.value)


def _in_brackets(expression: str) -> str:
    """An expression to which a filter can be added: filters bind closer than operators."""
    plain = expression.strip()
    return plain if all(sign not in plain for sign in ("~", "+", " - ", "/", " if ", " or ", " and ")) else f"({plain})"


def _pairs(instead: Mapping[str, str]) -> str:
    shown = [f"{new!r} instead of {value[:60]!r}" if new else f"nothing instead of {value[:60]!r}"
             for value, new in list(instead.items())[:4]]  # fmt: skip
    more = len(instead) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


# Answers --------------------------------------------------------------------------------------------------------------


def _answers(case: Case, row: QualifierRow) -> dict[str, int]:
    """The answers of the leads to the qualifier of a row, the most frequent first."""
    counts: Counter[str] = Counter()
    for failed in case.leads:
        counts.update(each for each in answers_of(failed.lead.qualifiers.get(row.qualifier)) if each)
    return dict(counts.most_common())


def answers_of(given: Answer | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _of_answers(case: Case, at: Keys, row: QualifierRow, answers: Mapping[str, int]) -> Iterator[Proposal]:
    several = any(len(answers_of(each.lead.qualifiers.get(row.qualifier))) > 1 for each in case.leads)
    if several and not row.multiple:
        yield Proposal(f"{row.qualifier}: write several answers", (Put((*at, "multiple"), True),))
    remote = case.fields.get(row.field)
    fit = fitter(remote)
    options: dict[str, str] = {}
    unclear: list[str] = []
    for answer in answers:
        written = (row.options or {}).get(answer, answer) if row.options is not None else answer
        try:
            fit(written)
        except ValueError:
            guess = case.given.get(answer) or nearest_of(written, remote.options if remote else ())
            if guess:
                options[answer] = guess
            else:
                unclear.append(answer)
    if not options:
        return
    what = f"{row.qualifier}: write {_pairs(options)}"
    if row.options is None:  # with options, an answer that is not listed fails: all that fit are listed
        options = {option: option for option in (remote.options if remote else ())} | options
    yield Proposal(what, (Put((*at, "options"), options),), tuple(unclear))
