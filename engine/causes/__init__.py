"""Changes of the spec that remove what leads failed for: proposed, tried without sending, never made unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.causes import answers, names, rules, values
from engine.causes.case import Case, Proposal, cases, listed
from engine.causes.trying import Tried, becomes, tried
from engine.code_texts import TEXTS
from engine.codes import code as code_named
from engine.errors import SpecError
from engine.expressions import suggestion

__all__ = ["Advice", "Case", "Proposal", "Tried", "advise", "cases"]

_MAKERS: Mapping[str, Callable[[Case], Iterable[Proposal]]] = {
    "DATA_VALUE_VALIDATION": values.proposals,
    "NO_TAG_MAPPING": answers.proposals,
    "MISSING_REMOTE_FIELD": names.fields,
    "INVALID_CAMPAIGN_STATUS": names.statuses,
    "AMBIGUOUS_MATCH": rules.duplicates,
    "ALREADY_EXISTS": rules.existing,
    "MISSING_REQUIRED_VALUE": rules.required,
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What can be done about a cause.

    proposals: changes of the spec that would clear leads, the likeliest first. left: changes that would not, and why.
    already: leads that would pass with the spec as it is. hints: what else people should know or do.
    """

    case: Case
    proposals: list[Tried]
    left: list[str]
    already: int
    hints: list[str]


def advise(group: Sequence[Case]) -> list[Advice]:
    """Work out what can be done about the causes of a group. Raises SpecError where the spec is wrong.

    Also where people say what something is to become that no lead of the group has.
    """
    advised = [_advise(case) for case in group]
    if any(advice.already < len(advice.case.leads) for advice in advised):
        first = group[0]
        for name in first.given.keys() - first.mentioned.keys():
            fix = suggestion(name, first.mentioned) or f"There is: {listed(first.mentioned) or 'nothing'}."
            raise SpecError(f"nothing of the group is {name!r}", where="--map", fix=fix)
    return advised


def _advise(case: Case) -> Advice:
    already = len(case.leads) - becomes(case, case.integration).total()
    if already == len(case.leads):
        return Advice(case, [], [], already, ["the spec has been corrected already: retry the group"])
    make = _MAKERS.get(case.code)
    useful, left = tried(case, list(make(case))) if make else ([], [])
    return Advice(case, useful, left, already, _hints(case) + ([] if useful else _documented(case)))


def _documented(case: Case) -> list[str]:
    """What the text of the code says that can be done."""
    text, path = TEXTS.get(case.code), str(case.integration.path)
    commands = [f"`{command.replace('expo.yaml', path)}`: {what}" for command, what in (text.commands if text else ())]
    return [code_named(case.code, case.plugins.codes).fix, *commands]


def _hints(case: Case) -> list[str]:
    """What people can do beside the proposals."""
    found: list[str] = []
    if case.catalog is None:
        found.append("what the vendor has is not known here: `engine check --live SPEC` compares the spec with it")
    if case.code == "NO_TAG_MAPPING":
        found += [
            f"no option resembles the answer {answer!r}: --map {answer!r}=OPTION (there is: {options or 'none'})"
            for missing in answers.open_answers(case).values()
            for answer, options in missing.items()
        ]
    if case.code == "INVALID_CAMPAIGN_STATUS" and (offered := names.offered_statuses(case)):
        found.append(f"the program has: {', '.join(offered)}")
    if case.code in ("MISSING_REQUIRED_VALUE", "DATA_VALUE_VALIDATION"):
        found.append(f"or correct the leads: `engine reconcile export --group {case.code}`, then `… import`")
    return found
