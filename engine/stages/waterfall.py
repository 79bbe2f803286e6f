"""One lead's way through the waterfall, as a generator: it yields a question and is sent the answer.

What is asked of whom, what is taken and what is not is decided here, in plain order; when a question is answered, and
whether it has to be bought, is the desks' matter (`engine.stages.desk`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.asking import Ask, EnrichAnswer, Finding
from engine.enrichment import Enrichment, FieldPolicy
from engine.errors import AbortRun, EngineError, RunStopped
from engine.records import Lead, Rejected, StepEnd, Value
from engine.stages.base import Occasion
from engine.stages.questions import Answered, Condition, Question, WaterfallStep, broken, checked
from engine.state.moves import Enriched

#: Outcomes that say that a provider looked and what it found.
_LOOKED = ("hit", "miss", "rejected")


Way = Generator[Question, Answered, Enriched]


@dataclass
class _Lead:
    """What is known of the lead on its way, and what has been tried."""

    lead: Lead
    fields: dict[str, Any]
    captured: frozenset[str]
    before: Mapping[str, Any] = field(default_factory=dict)  # found earlier, and to be found anew
    values: dict[str, Value] = field(default_factory=dict)
    rewritten: list[Value] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    trace: dict[WaterfallStep, StepEnd] = field(default_factory=dict)
    tried: set[tuple[int, str]] = field(default_factory=set)
    stopped: str = ""
    refused: bool = False


class Waterfall:
    """Makes ways for leads. `verifiers` are the steps that judge addresses, by field."""

    def __init__(
        self,
        occasion: Occasion,
        spec: Enrichment,
        steps: Sequence[WaterfallStep],
        verifiers: Mapping[str, Sequence[WaterfallStep]] | None = None,
        applies: Condition | None = None,
    ) -> None:
        self._run = occasion
        self.spec = spec
        self.steps = list(steps)
        self.verifiers = verifiers or {}
        self.applies = applies

    @property
    def online(self) -> list[WaterfallStep]:
        """Every step that makes calls."""
        verifying = [step for steps in self.verifiers.values() for step in steps]
        return [step for step in [*self.steps, *verifying] if step.enricher.online]

    def way(self, lead: Lead, refused: str = "") -> Way:
        """The lead's way. `refused`: why nobody may be asked about the person. Raises RunStopped, AbortRun."""
        anew = lead.found - lead.edited if lead.again is not None else frozenset()
        fields = {name: value for name, value in lead.fields.items() if name not in anew}
        before = {name: value for name, value in lead.fields.items() if name in anew}
        captured = frozenset(name for name, value in fields.items() if value) | lead.edited
        state = _Lead(lead, fields, captured, before, stopped=refused, refused=bool(refused))
        if not refused and self.applies is not None and not self.applies(fields, lead.qualifiers):
            state.stopped = "the condition of the waterfall is not true"
        again, rounds = True, 0
        while again and rounds < 2 * len(self.steps) + 2:  # a bound, whatever plugins answer
            again, rounds = False, rounds + 1
            for index, step in enumerate(self.steps):
                if not step.enricher.online:
                    self._offline(state, step)
                    continue
                waiting, taken = yield from self._online(state, index, step)
                # A value may have made an earlier step able to ask, and a field may have waited for a later one.
                again = again or taken or waiting
            again = again and not state.stopped
        return self._ended(state)

    # Steps ------------------------------------------------------------------------------------------------------

    def _offline(self, state: _Lead, step: WaterfallStep) -> None:
        enricher = step.enricher
        held = state.lead.edited if enricher.rewrites else state.captured
        wanted = [
            name
            for name in step.wants
            if name not in held and (enricher.rewrites or not state.fields.get(name) or self._open(state, name))
        ]
        try:
            applies = step.applies is None or step.applies(state.fields, state.lead.qualifiers)
            answer = enricher.enrich(state.fields, wanted) if wanted and applies else EnrichAnswer("skipped")
            for name, finding in checked(answer).findings.items():
                if name in wanted:
                    self._take_offline(state, step, name, finding)
        except (RunStopped, AbortRun):
            raise
        except Exception as error:
            self._run.log.exception("an enricher broke", extra={"provider": step.name})
            state.trace[step] = StepEnd(step.name, "error", broken(error))

    def _take_offline(self, state: _Lead, step: WaterfallStep, name: str, finding: Finding) -> None:
        before = state.fields.get(name)
        if finding.value in (None, "") or finding.value == before:
            return
        if finding.confidence < max(step.spec.min_confidence, self.spec.policy(name).min_confidence):
            return
        if step.enricher.rewrites and before:
            value = Value(name, finding.value, step.name, finding.confidence, at=self._run.now(), replaced=before)
            state.rewritten = [each for each in state.rewritten if (each.field, each.provider) != (name, step.name)]
            state.rewritten.append(value)
        elif before and not (name in state.values and finding.confidence > state.values[name].confidence):
            return
        else:
            state.values[name] = Value(name, finding.value, step.name, finding.confidence, at=self._run.now())
        state.fields[name] = finding.value

    def _online(
        self, state: _Lead, index: int, step: WaterfallStep
    ) -> Generator[Question, Answered, tuple[bool, bool]]:
        """Ask a step what it is this step's turn to be asked; whether a field waits for a later step, and took any."""
        open_ = [name for name in step.wants if self._open(state, name) and (index, name) not in state.tried]
        wanted = [name for name in open_ if self._turn(state, index, step, name)]
        waiting = len(wanted) < len([name for name in open_ if self._may(step, name)])
        if not wanted:
            state.trace.setdefault(step, StepEnd(step.name, "skipped", "nothing is missing that it may give"))
            return waiting, False
        skip, ask = self._prepared(state, step, wanted)
        if ask is None:
            state.trace[step] = StepEnd(step.name, "suppressed" if state.refused else "skipped", skip)
            return False, False
        answered = yield Question(step, ask, state.lead.id, dict(state.fields), tuple(wanted), state.lead.again or 0.0)
        state.tried.update((index, name) for name in wanted)
        taken = yield from self._judge(state, step, answered, wanted)
        return waiting, taken

    def _prepared(self, state: _Lead, step: WaterfallStep, wanted: Sequence[str]) -> tuple[str, Ask | None]:
        """What to ask, or why nothing is asked."""
        if state.stopped or step.off:
            return state.stopped or step.off, None
        try:
            if step.applies is not None and not step.applies(state.fields, state.lead.qualifiers):
                return "the step's condition is not true", None
            ask = step.enricher.ask(state.fields, wanted)
        except EngineError as error:
            return error.what, None
        except Exception as error:
            self._run.log.exception("an enricher broke", extra={"provider": step.name})
            return broken(error), None
        return "the lead has too little to ask with", ask

    def _open(self, state: _Lead, name: str) -> bool:
        """Whether a field may still be won: it is missing, or the surest value is wanted and it was not captured."""
        if name in state.captured:
            return False
        return not state.fields.get(name) or self.spec.policy(name).choose == "best"

    def _may(self, step: WaterfallStep, name: str) -> bool:
        order = self.spec.policy(name).order
        return not order or step.label in order

    def _turn(self, state: _Lead, index: int, step: WaterfallStep, name: str) -> bool:
        """Whether all that come before this step in the field's order have been asked, or cannot be."""
        order = self.spec.policy(name).order
        if not order:
            return True
        if step.label not in order:
            return False
        before = order[: order.index(step.label)]
        for place, other in enumerate(self.steps):
            waits = other.label in before and name in other.wants and (place, name) not in state.tried
            if waits and other.enricher.online and self._prepared(state, other, [name])[1] is not None:
                return False
        return True

    # Answers ----------------------------------------------------------------------------------------------------

    def _judge(
        self, state: _Lead, step: WaterfallStep, answered: Answered, wanted: Sequence[str]
    ) -> Generator[Question, Answered, bool]:
        """Take what is good enough of an answer; whether there was any."""
        answer = answered.answer
        outcome: str = answer.outcome
        detail, taken = answer.detail, []
        self._stop(state, step, answered)
        if outcome in _LOOKED and answer.findings:
            if reason := self._contradiction(state, step, answer):
                outcome, detail = "rejected", reason
                self._reject(state, step, answered, {name: answer.findings[name] for name in answer.findings
                                                     if name in wanted}, reason)  # fmt: skip
            else:
                for name in wanted:
                    finding = answer.findings.get(name)
                    if finding is not None and (yield from self._accept(state, step, answered, name, finding)):
                        taken.append(name)
                offered = [name for name in wanted if name in answer.findings]
                missing = [name for name in wanted if not state.fields.get(name)]
                outcome = ("partial" if missing else "hit") if taken else "rejected" if offered else "miss"
                detail = detail or ("" if outcome != "miss" else "none of the wanted fields")
        cost = 0.0 if answered.known else answer.cost
        previous = state.trace.get(step)
        if previous is not None and previous.outcome in ("hit", "partial") and not taken:
            outcome, detail = previous.outcome, previous.detail
        if previous is not None:
            cost += previous.cost
        state.trace[step] = StepEnd(step.name, outcome, detail, cost, answered.call, answered.known)
        return bool(taken)

    def _stop(self, state: _Lead, step: WaterfallStep, answered: Answered) -> None:
        """Note why nothing more is asked about the lead, where an answer says so."""
        if answered.late or answered.refused:
            state.stopped, state.refused = answered.late or answered.refused, bool(answered.refused)
        elif answered.answer.outcome == "suppressed" and step.enricher.personal:
            state.stopped, state.refused = f"{step.name} says that the person must not be processed", True

    def _contradiction(self, state: _Lead, step: WaterfallStep, answer: EnrichAnswer) -> str:
        try:
            return step.enricher.contradiction(state.fields, answer)
        except Exception as error:
            self._run.log.exception("an enricher broke", extra={"provider": step.name})
            return broken(error)

    def _reject(
        self, state: _Lead, step: WaterfallStep, answered: Answered, findings: Mapping[str, Finding], reason: str
    ) -> None:
        state.rejected += [
            Rejected(name, found.value, step.name, reason, found.confidence, answered.at, answered.call)
            for name, found in findings.items()
        ]

    def _accept(
        self, state: _Lead, step: WaterfallStep, answered: Answered, name: str, finding: Finding
    ) -> Generator[Question, Answered, bool]:
        """Take a value, or keep it with the reason why not."""
        policy = self.spec.policy(name)
        least = max(step.spec.min_confidence, policy.min_confidence)
        reason, status, verifier, judged = "", finding.status, "", answered.call
        if finding.value in (None, ""):
            return False
        held = state.values.get(name)
        if finding.confidence < least:
            reason = f"confidence {finding.confidence:.2f} is below {least:.2f}"
        elif held is not None and held.confidence >= finding.confidence:
            reason = f"{held.provider} is as sure of its value, or surer ({held.confidence:.2f})"
        elif name == "email":
            status, verifier, judged = yield from self._verified(state, name, finding, answered.call)
            reason = _unacceptable(policy, status, verifier)
        if reason:
            self._reject(state, step, answered, {name: finding}, reason)
            return False
        if held is not None:
            state.rejected.append(
                Rejected(name, held.value, held.provider, f"{step.name} is surer ({finding.confidence:.2f})",
                         held.confidence, held.at, held.call)
            )  # fmt: skip
        cost = 0.0 if answered.known else answered.answer.cost
        state.values[name] = Value(
            name, finding.value, step.name, finding.confidence, cost, answered.at, None, answered.call, status,
            verifier, finding.path,
        )  # fmt: skip
        state.fields[name] = finding.value
        if name == "email" and "email_status" not in state.captured:
            # What was known of another address says nothing of this one.
            state.values.pop("email_status", None)
            state.fields.pop("email_status", None)
        if name == "email" and status and "email_status" not in state.captured:
            judge = verifier or step.name
            state.values["email_status"] = Value("email_status", status, judge, 1.0, 0.0, answered.at, call=judged)
            state.fields["email_status"] = status
        return True

    def _verified(
        self, state: _Lead, name: str, finding: Finding, found_by: int | None
    ) -> Generator[Question, Answered, tuple[str, str, int | None]]:
        """An address's status, who judged it and by which call; asked where its finder did not call it valid."""
        if finding.status == "valid" or finding.status in ("invalid", "wrong_kind"):
            return finding.status, "", found_by
        for step in self.verifiers.get(name, ()):
            fields = {**state.fields, name: finding.value}
            about = _Lead(state.lead, fields, state.captured, state.before, stopped=state.stopped)
            if step.enricher.online:
                skip, ask = self._prepared(about, step, ["email_status"])
                if ask is None:
                    state.trace.setdefault(step, StepEnd(step.name, "skipped", skip))
                    continue
                answered = yield Question(step, ask, state.lead.id, fields, ("email_status",), state.lead.again or 0.0)
            else:
                answered = self._asked_offline(step, fields)
            answer = answered.answer
            verdict = answer.findings.get("email_status")
            before = state.trace.get(step)
            cost = (before.cost if before else 0.0) + (0.0 if answered.known else answer.cost)
            detail = answer.detail or (f"{finding.value} is {verdict.value}" if verdict else "")
            state.trace[step] = StepEnd(step.name, answer.outcome, detail, cost, answered.call, answered.known)
            self._stop(state, step, answered)
            if state.refused:
                return "wrong_kind", step.name, answered.call
            if verdict is not None and verdict.value not in ("", "unknown"):
                return str(verdict.value), step.name, answered.call
        return finding.status, "", found_by

    def _asked_offline(self, step: WaterfallStep, fields: Mapping[str, Any]) -> Answered:
        try:
            return Answered(checked(step.enricher.enrich(fields, ["email_status"])), at=self._run.now())
        except (RunStopped, AbortRun):
            raise
        except Exception as error:
            self._run.log.exception("an enricher broke", extra={"provider": step.name})
            return Answered(EnrichAnswer("error", detail=broken(error)))

    def _ended(self, state: _Lead) -> Enriched:
        lead = state.lead
        # What is not found anew stays as it was, but for what was known of another address.
        kept = {name: value for name, value in state.before.items() if not state.fields.get(name)}
        if "email" in state.before.keys() - kept.keys() and state.fields.get("email") != state.before.get("email"):
            kept.pop("email_status", None)
        state.fields |= kept
        values = [*state.values.values(), *state.rewritten]
        order = {step: place for place, step in enumerate(self.steps)}
        trace = sorted(state.trace.items(), key=lambda item: order.get(item[0], len(order)))
        found = sorted(lead.found | state.values.keys())
        data: dict[str, Any] = {"f": state.fields, "q": lead.qualifiers, "e": lead.events}
        data |= {name: kept for name, kept in (("n", found), ("h", lead.edits)) if kept}
        return Enriched(lead.id, data, values, [end for _, end in trace], state.rejected, lead.again is not None)


def _unacceptable(policy: FieldPolicy, status: str, verifier: str) -> str:
    if (status or "unknown") in policy.accept:
        return ""
    judged = f" by {verifier}" if verifier else ""
    return f"the address is {status}{judged}" if status else "nothing is known of the address"
