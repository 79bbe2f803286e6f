"""Builds the waterfall of an integration for a run: enrichers with their limits, conditions, and who verifies what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine import check
from engine.adapters import Adapter, Context, Enricher, Inbox, NoInbox
from engine.enrichment import Step
from engine.errors import Place, SpecError
from engine.expressions import function, parse
from engine.limits import Gate, LimitedGate, OpenGate
from engine.logs import BoundLogger
from engine.plugins import Plugins, build
from engine.settings import is_reference, resolve
from engine.specs import Integration, SpecErrors
from engine.stages.base import Occasion
from engine.stages.questions import Condition, WaterfallStep
from engine.stages.waterfall import Waterfall

#: The desks judge for themselves when a provider is out of order: they pause before they give up.
_NEVER = 2**31


@dataclass
class WaterfallMaker:
    """Makes the waterfall. `context` hands out what an adapter gets; `made` are the enrichers, to be closed.

    resolved: gives a step's settings, from the step and the place of its config in the spec.
    """

    integration: Integration
    plugins: Plugins
    context: Callable[..., tuple[Context, Gate]]
    inbox: Inbox = field(default_factory=NoInbox)
    made: list[Adapter] = field(default_factory=list)
    _gates: dict[str, LimitedGate] = field(default_factory=dict)
    resolved: Callable[[Step, str], Mapping[str, Any]] | None = None

    def make(self, occasion: Occasion) -> Waterfall:
        """Raises SpecError where a setting is wrong or a budget cannot be held, EnvironmentFault."""
        spec = self.integration.enrichment
        steps = [self.step(step, f"{spec.at}.{index}") for index, step in enumerate(spec.steps)]
        verifiers = {
            name: [
                self.step(step, f"enrichment.fields.{name}.verify.{index}") for index, step in enumerate(policy.verify)
            ]
            for name, policy in spec.fields.items()
        }
        self._check_prices([*steps, *(step for some in verifiers.values() for step in some)])
        return Waterfall(occasion, spec, steps, verifiers, self._condition(spec.when))

    def make_offline(self, occasion: Occasion) -> Waterfall:
        """The waterfall without the steps that make calls, as if nobody knew anything. Raises as `make` does."""
        spec, kinds = self.integration.enrichment, self.plugins.enricher
        placed = [(index, step) for index, step in enumerate(spec.steps) if not kinds(step.use).online]
        steps = [self.step(step, f"{spec.at}.{index}") for index, step in placed]
        return Waterfall(occasion, spec, steps, applies=self._condition(spec.when))

    def step(self, spec: Step, at: str) -> WaterfallStep:
        """One step with its enricher, which stands at `at` in the spec. Raises SpecError, EnvironmentFault."""
        adapter = self.plugins.enricher(spec.use)
        where = f"{at}.config"
        config = (self.resolved or self._resolved)(spec, where)
        context, gate = self.context(spec.config, where, trip_after=_NEVER)
        log = context.log.bound(provider=spec.use) if isinstance(context.log, BoundLogger) else context.log
        context = replace(context, min_confidence=spec.min_confidence, inbox=self.inbox, log=log)
        enricher: Enricher = build(adapter, config, context)
        self.made.append(enricher)
        if isinstance(gate, LimitedGate):
            gate.declare(f"enricher:{enricher.account}", enricher.limits)
            gate.share(self._gates.setdefault(gate.account, gate))
        return WaterfallStep(spec, enricher, self._condition(spec.when))

    def _resolved(self, spec: Step, where: str) -> Mapping[str, Any]:
        secrets = self.plugins.enricher(spec.use).secrets
        return resolve(spec.config, secrets, self.integration.folder, where=where, place=self.integration.place)

    def _condition(self, text: str) -> Condition | None:
        if not text:
            return None  # names are not made for nothing: lookup tables are read for them
        names = check.names_of(self.integration, self.plugins)
        return function(parse(text, names), names)

    def _check_prices(self, steps: Sequence[WaterfallStep]) -> None:
        """A budget in money needs the price of every provider that it is for, all in one currency."""
        spec = self.integration.enrichment
        places = {id(each): at for at, each in spec.placed()}
        currencies: dict[str, str] = {}
        for step in steps:
            if not step.enricher.online or not (spec.budget.in_money or step.spec.budget.in_money):
                continue
            price = step.enricher.price
            if price is None:
                raise SpecError(
                    f"a budget in money needs the price of a credit of {step.name}, which is not published",
                    where=self.integration.place(places[id(step.spec)]),
                    fix=f"Say what you pay at the step {step.label}: config.price {{amount: 0.05, currency: USD}}.",
                )
            if spec.budget.in_money:
                currencies[price.currency] = step.name
        if len(currencies) > 1:
            said = ", ".join(f"{name} in {currency}" for currency, name in sorted(currencies.items()))
            raise SpecError(
                f"one budget in money for providers with prices in several currencies: {said}",
                where=self.integration.place("enrichment.budget"),
                fix="Give the prices in one currency, at the steps' `config.price`.",
            )

    def problems(self) -> list[SpecError]:
        """What is wrong with the steps that shows only when they are built, such as a file that one refers to."""
        found: list[SpecError] = []
        steps = []
        for at, spec in self.integration.enrichment.placed():
            try:
                steps.append(self.step(spec, at))
            except SpecErrors as error:
                found += error.problems
            except SpecError as error:
                error.where = error.where if isinstance(error.where, Place) else self.integration.place(at)
                found.append(error)
        try:
            self._check_prices(steps)
        except SpecError as error:
            found.append(error)
        for adapter in self.made:
            adapter.close()
        return found


def rehearsed(
    integration: Integration, plugins: Plugins, now: Callable[[], float], note: Callable[[str], None]
) -> WaterfallMaker:
    """A maker of waterfalls that make no calls: a secret that is not there yet is no obstacle.

    `note` is told of settings that are counted without.
    """

    def settings(step: Step, where: str) -> Mapping[str, Any]:
        adapter = plugins.enricher(step.use)
        found: dict[str, Any] = {}
        for key, value in step.config.items():
            try:
                found |= resolve(
                    {key: value}, adapter.secrets, integration.folder, where=where, place=integration.place
                )
            except SpecError:
                needed = key in adapter.config_schema.get("required", ())
                if not is_reference(value) or (key not in adapter.secrets and needed):
                    raise
                if key in adapter.secrets:
                    found[key] = "not-needed-without-calls"
                else:
                    note(f"{where}.{key} is not set: counted without it")
        return found

    context = Context(now, folder=integration.folder)
    return WaterfallMaker(integration, plugins, lambda *_, **__: (context, OpenGate()), resolved=settings)
