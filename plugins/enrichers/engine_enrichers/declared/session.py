"""One provider with the settings that it is asked with: prepares questions, makes their calls and reads the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from engine.adapters import Config, Context
from engine.asking import EnrichAnswer
from engine.errors import NoAnswer, RetryLater
from engine_enrichers.declared.answers import ended, read
from engine_enrichers.declared.client import Client
from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.questions import Question, prepare
from engine_enrichers.declared.requests import build
from engine_enrichers.declared.tickets import submitted


class Session:
    """What is done about one lead after the other, at once and with others. Thread-safe: no state per call."""

    def __init__(self, provider: Provider, config: Config, context: Context) -> None:
        """Raises SpecError where the base URL is not allowed."""
        self.provider = provider
        self.context = context
        self.options = {name: config.get(name, schema.get("default")) for name, schema in provider.options.items()}
        self.client = Client(provider, config, self.options, context)

    def close(self) -> None:
        self.client.close()

    def prepare(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Question | None:
        """The question with everything that fills the request; None if the lead has too little."""
        settings = {**self.options, "callback_url": self.context.inbox.address(self.provider.name)}
        return prepare(self.provider, lead, wanted, settings, self.context.min_confidence)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Ask about one lead. Raises CredentialsError, VendorUnavailable (quota), RetryLater, NoAnswer."""
        question = self.prepare(lead, wanted)
        if question is None:
            return EnrichAnswer("skipped", detail="the lead has too little to ask with")
        ready = self.before(question)
        if isinstance(ready, EnrichAnswer):
            return ready
        with self.past_before():
            return self.answer(ready)

    @contextmanager
    def past_before(self) -> Iterator[None]:
        """The main call. What the calls before it cost is spent, also where it is not executed."""
        try:
            yield
        except NoAnswer:
            raise
        except RetryLater as error:
            if not any(each.cost for each in self.provider.before):
                raise
            raise NoAnswer(error.what, after=error.after, why="the calls before it were made") from error

    def before(self, question: Question) -> Question | EnrichAnswer:
        """Make the calls that come before: the question with what they gave, or the answer that ends it."""
        taken: dict[str, Any] = {}
        cost = 0.0
        for each in self.provider.before:
            call = build(each.request, {**question.values, **taken}, question.wanted)
            if call is None:
                return ended(self.provider, "miss", cost, "an earlier answer lacks what the next question needs")
            answered = self.client.ask(call, each.rules, private=question.sent.values())
            cost += each.cost
            if answered.outcome != "hit":
                return ended(self.provider, answered.outcome, cost, answered.detail)
            taken |= {name: query.of(answered.body) for name, query in each.take.items()}
            if any(taken[name] in (None, "", []) for name in each.take):
                return ended(self.provider, "miss", cost, "nobody is known by these inputs")
        return replace(question, taken=taken)

    def answer(self, question: Question, *, again: bool = False) -> EnrichAnswer:
        """Make the main call and read its answer. `again`: it was made before and the answer was not ready."""
        provider, later = self.provider, self.provider.later
        call = build(question.request, {**question.values, **question.taken}, question.wanted)
        if call is None:
            return ended(provider, "miss", sum(each.cost for each in provider.before), "an earlier answer is no id")
        rules = (*later.rules, *provider.rules) if later is not None and later.again else provider.rules
        answered = self.client.ask(call, rules, private=question.sent.values(), later=later is not None)
        if answered.outcome == "pending" and later is not None:
            return submitted(later, answered)
        result = later.result if again and later is not None and later.result is not None else provider.result
        return read(
            provider, question, answered.outcome, answered.body,
            result=result, reply=answered.reply, detail=answered.detail,
        )  # fmt: skip
