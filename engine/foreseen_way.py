"""One lead's way through the waterfall as far as it can be foreseen: nothing is called, what was bought is used.

Where an answer is not known, nobody is supposed to know anything, so that every later step is asked as well. The fields
that an answer could fill are in doubt from then on. What an enricher or a condition reads of a lead is watched: a
question that reads no field in doubt is asked in just these words, so that leads with the same question share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from engine.adapters import Context, Enricher
from engine.asking import Ask, EnrichAnswer
from engine.enrichment import Enrichment
from engine.errors import AbortRun
from engine.records import Lead
from engine.stages.base import Circumstances
from engine.stages.questions import Answered, Condition, Question, WaterfallStep, loaded
from engine.stages.waterfall import Waterfall
from engine.state.ledger import Ledger, Wish


class Watched(Mapping[str, Any]):
    """A lead's fields that remember which of them were read, and what was in them."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._read: dict[str, Any] = {}
        self._all = False

    def __getitem__(self, name: str) -> Any:
        self._read[name] = self._fields.get(name)
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        self._all = True
        self._read |= self._fields
        return iter(self._fields)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def among(self, fields: Iterable[str]) -> set[str]:
        """Which of these fields were read."""
        return set(fields) if self._all else self._read.keys() & fields

    def changed(self, fields: Mapping[str, Any]) -> set[str]:
        """Which of the fields that were read have another value now."""
        found = {name for name, value in self._read.items() if fields.get(name) != value}
        return found | (fields.keys() - self._read.keys() if self._all else set())


@dataclass(slots=True)
class _Doubts:
    """What may be other than it is foreseen, for the lead on its way.

    held: the fields that were captured; edited: those that a person set, which nothing changes. fields: those that may
    have another value. reads: what a step read when it was not asked. shaken: the fields in doubt that the last
    question of a step was worked out from.
    """

    held: frozenset[str] = frozenset()
    edited: frozenset[str] = frozenset()
    fields: set[str] = field(default_factory=set)
    reads: dict[Enricher, list[Watched]] = field(default_factory=dict)
    shaken: dict[Enricher, set[str]] = field(default_factory=dict)

    def add(self, fields: Iterable[str], *, rewrites: bool = False) -> None:
        """Doubt what these fields hold, and what is settled together with an address."""
        found = set(fields)
        if "email" in found:
            found.add("email_status")
        elif "email_status" in found:
            found.add("email")
        self.fields |= found - (self.edited if rewrites else self.held)


class _Probe(Enricher):
    """Stands in for an enricher: asks what it would ask, and watches what that is worked out from."""

    def __init__(self, real: Enricher, wants: Sequence[str]) -> None:
        super().__init__({}, Context())
        self.real, self.wants = real, wants
        self.name, self.provides = real.name, real.provides
        self.online, self.rewrites = real.online, real.rewrites  # type: ignore[misc]
        self.doubts = _Doubts()

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        watched = Watched(lead)
        found = None
        try:
            found = self.real.ask(watched, wanted)
        finally:
            self.doubts.shaken[self] = watched.among(self.doubts.fields)
            if found is None:
                self.not_asked(watched)
        return found

    def not_asked(self, watched: Watched) -> None:
        """The step is not asked; whoever could be, with what may be found, may find more."""
        self.doubts.reads.setdefault(self, []).append(watched)
        if watched.among(self.doubts.fields):
            self.doubts.add(self.wants, rewrites=self.rewrites)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        watched = Watched(lead)
        try:
            return self.real.enrich(watched, wanted)
        finally:
            self.not_asked(watched)

    def contradiction(self, lead: Mapping[str, Any], answer: EnrichAnswer) -> str:
        watched = Watched(lead)
        try:
            return self.real.contradiction(watched, answer)
        finally:
            if watched.among(self.doubts.fields):
                self.doubts.add(answer.findings)


def _watched(condition: Condition, probe: _Probe) -> Condition:
    def applies(lead: Mapping[str, Any], answers: Mapping[str, Any]) -> Any:
        watched = Watched(lead)
        found = condition(watched, answers)
        if not found:
            probe.not_asked(watched)
        return found

    return applies


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A question that a step will be asked if nobody before it has what is wanted.

    known: it costs nothing, for it is answered already or being answered. firm: no answer can change its words.
    """

    step: WaterfallStep
    ask: Ask
    wanted: tuple[str, ...]
    known: bool
    firm: bool
    hangs_on: frozenset[str]

    @property
    def key(self) -> tuple[str, str, frozenset[str], float]:
        """Equal for questions that are bought once."""
        return self.step.name, self.ask.key, self.ask.fields, self.ask.floor


@dataclass(slots=True)
class ForeseenWay:
    """The questions of one lead. `further`: by step, how many more it may be asked at most, and if what is found."""

    questions: list[Foreseen] = field(default_factory=list)
    further: dict[WaterfallStep, tuple[int, frozenset[str]]] = field(default_factory=dict)


class Foresight:
    """Follows leads through a waterfall. `real` is the waterfall as it would run; nothing of it is called."""

    def __init__(self, circumstances: Circumstances, real: Waterfall) -> None:
        self._ledger: Ledger = circumstances.store.ledger
        self._now = circumstances.now
        self._spec: Enrichment = real.spec
        self._real: dict[WaterfallStep, WaterfallStep] = {}
        self._probes: dict[WaterfallStep, _Probe] = {}
        steps = [self._probed(step) for step in real.steps]
        self._verifiers = [self._probed(step) for step in real.verifiers.get("email", ())]
        self._waterfall = Waterfall(circumstances, real.spec, steps, {"email": self._verifiers}, real.applies)
        self._before: dict[int, frozenset[str]] = {}
        self._sets: dict[frozenset[str], frozenset[str]] = {}

    def _probed(self, step: WaterfallStep) -> WaterfallStep:
        probe = _Probe(step.enricher, step.wants)
        made = WaterfallStep(step.spec, probe, step.applies and _watched(step.applies, probe))
        self._real[made], self._probes[made] = step, probe
        return made

    def follow(self, lead: Lead, refused: str = "") -> ForeseenWay:
        """What will be asked about a lead. One that is followed again, captured anew, may have been enriched before."""
        held = frozenset(name for name, value in lead.fields.items() if value) | lead.edited
        doubts = _Doubts(held, lead.edited, set(self._before.get(lead.id, ())))
        for probe in self._probes.values():
            probe.doubts = doubts
        found = ForeseenWay()
        unsure: set[WaterfallStep] = set()
        way = self._waterfall.way(lead, refused)
        answered: Answered | None = None
        while True:
            try:
                question = next(way) if answered is None else way.send(answered)
            except StopIteration as end:
                fields: Mapping[str, Any] = end.value.data["f"]
                break
            except AbortRun:
                raise
            except Exception:
                return found  # a run lets such a lead go on with what was captured
            answered = self._answer(question, doubts, found, unsure)
        if doubts.fields:
            self._look_further(doubts, fields, found, unsure)
        left = frozenset(doubts.fields)
        self._before[lead.id] = self._sets.setdefault(left, left)
        return found

    def _answer(self, question: Question, doubts: _Doubts, found: ForeseenWay, unsure: set[WaterfallStep]) -> Answered:
        """Answer with what was bought where the question is firm; else suppose a miss, and doubt what it may fill."""
        step, ask, now = question.step, question.ask, self._now()
        hangs_on = set(doubts.shaken.get(step.enricher, ()))
        differs = doubts.fields.intersection(step.wants) - doubts.held
        if self._waves(step, doubts.held) > 1:
            differs |= set(step.wants) - doubts.held
        if differs and self._depends_on_wanted(question, sorted(set(step.wants) - doubts.held)):
            hangs_on |= differs
        age = step.spec.max_age
        wish = Wish(
            sha256(ask.key.encode()).digest(), ask.fields, question.lead_id, ask.floor,
            max_age=None if age is None else age * 86_400.0,
        )  # fmt: skip
        (known,) = self._ledger.known(step.name, [wish], now)
        firm = not hangs_on
        found.questions.append(
            Foreseen(self._real[step], ask, question.wanted, known is not None, firm, frozenset(hangs_on))
        )
        if doubts.fields:
            unsure.add(step)
        if firm and known is not None and known.answer is not None:
            return Answered(loaded(known.answer), known.call_id, known.at, known=True)
        unsure.add(step)
        doubts.add(question.wanted)
        return Answered(EnrichAnswer("miss"), at=now)

    def _depends_on_wanted(self, question: Question, open_: Sequence[str]) -> bool:
        """Whether a question is put in other words, or says all about less, where other fields are wanted."""
        ask, real = question.ask, self._probes[question.step].real
        for wanted in (open_, open_[:1], open_[-1:]):
            try:
                other = real.ask(question.fields, wanted)
            except Exception:
                return True  # whatever breaks there, breaks the question in a run, too
            if other is None or (other.key, other.fields, other.floor) != (ask.key, ask.fields, ask.floor):
                return True
        return False

    def _look_further(
        self, doubts: _Doubts, fields: Mapping[str, Any], found: ForeseenWay, unsure: set[WaterfallStep]
    ) -> None:
        """Find the steps that could be asked as well, or more often, with what may be found on the way.

        fields: the lead's at the end. Whoever was asked too early for them has another turn once anything is found.
        """
        asked = {question.step for question in found.questions}
        may: dict[WaterfallStep, set[str]] = {}
        grows = True
        while grows:
            before = len(doubts.fields)
            for step in self._waterfall.steps:
                if step.enricher.online and self._real[step] in asked:
                    continue
                if hangs_on := self._hangs_on(step, doubts, fields):
                    doubts.add(step.wants, rewrites=step.enricher.rewrites)
                    if step.enricher.online and set(step.wants) - doubts.held:
                        may[step] = hangs_on
            grows = len(doubts.fields) > before
        finders = 0
        for step in self._waterfall.steps:
            if not step.enricher.online:
                continue
            wants = set(step.wants) - doubts.held
            times = len([each for each in found.questions if each.step is self._real[step]])
            waves = self._waves(step, doubts.held) if times or step in may else 0
            if waves > times:
                hangs_on = may.get(step) or doubts.fields & wants
                found.further[self._real[step]] = (waves - times, frozenset(hangs_on))
            finders += "email" in wants and (step in unsure or step in may)
        for step in self._verifiers:
            if step.enricher.online and finders:
                found.further[self._real[step]] = (finders, frozenset({"email"}))

    @staticmethod
    def _hangs_on(step: WaterfallStep, doubts: _Doubts, fields: Mapping[str, Any]) -> set[str]:
        """The fields in doubt, or found since, that decide whether a step is asked after all, or what it gives."""
        reads = doubts.reads.get(step.enricher)
        if reads is not None:
            return {name for each in reads for name in each.among(doubts.fields) | each.changed(fields)}
        return (set(step.wants) - doubts.held) & doubts.fields

    def _waves(self, step: WaterfallStep, held: frozenset[str]) -> int:
        """How often a step can be asked about one lead: fields with an order of their own may have to wait."""
        at_once, waiting = 0, 0
        for name in set(step.wants) - held:
            order = self._spec.policy(name).order
            if not order or step.label == order[0]:
                at_once = 1
            elif step.label in order:
                waiting += 1
        return at_once + waiting
