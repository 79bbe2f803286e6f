"""Answers that have no option in the mapping, in the rows of qualifiers and of programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from engine.causes.case import Case, Proposal, listed
from engine.causes.nearest import nearest
from engine.causes.values import answers_of
from engine.spec_edit import Keys, Put


def proposals(case: Case) -> Iterator[Proposal]:
    """One change that adds all missing answers of a row."""
    rows = list(_rows(case))
    case.mention(answer for *_, missing, _ in rows for answer in missing)
    for at, name, missing, meanings in rows:
        options, unclear = {}, []
        for answer in missing:
            option = case.given.get(answer) or nearest(answer, meanings)
            if option:
                options[answer] = option
            else:
                unclear.append(answer)
        if options:
            what = f"{name}: {', '.join(f'{answer!r} becomes {option!r}' for answer, option in options.items())}"
            yield Proposal(what, (Put(at, options),), tuple(unclear))


def open_answers(case: Case) -> dict[str, dict[str, str]]:
    """By qualifier, the missing answers that resemble no option, each with the options that there are."""
    return {
        name: {answer: listed(dict.fromkeys(meanings.values())) for answer in missing
               if not (case.given.get(answer) or nearest(answer, meanings))}
        for _, name, missing, meanings in _rows(case)
    }  # fmt: skip


def _rows(case: Case) -> Iterator[tuple[Keys, str, Mapping[str, int], Mapping[str, str]]]:
    """The rows that leads failed at: where their options stand, the qualifier, the answers that are missing with their
    frequency, and what an answer may mean: an option of the vendor or in use, or that of an answer which is known.
    """
    for at, row in case.qualifier_rows():
        remote = case.fields.get(row.field)
        known = row.options or {}
        meanings = {option: option for option in [*known.values(), *(remote.options if remote else ())]} | dict(known)
        yield (*at, "options"), row.qualifier, _missing(case, row.qualifier, known), meanings
    for index, program in enumerate(case.integration.mapping.programs):
        if case.field != f"program {program.program_id}" or not program.qualifier:
            continue
        seen = (case.remote.programs or {}).get(program.program_id)
        statuses = [*program.options.values(), *(seen.statuses if seen else ())]
        meanings = {status: status for status in statuses} | dict(program.options)
        at = ("mapping", "programs", index, "status_from", "options")
        yield at, program.qualifier, _missing(case, program.qualifier, program.options), meanings


def _missing(case: Case, qualifier: str, known: Mapping[str, str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for failed in case.leads:
        answers = answers_of(failed.lead.qualifiers.get(qualifier))
        counts.update(answer for answer in answers if answer and answer not in known)
    return dict(counts.most_common())
