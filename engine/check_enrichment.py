"""What is wrong with the enrichment part of a spec: steps, the fields they win, budgets."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

from engine.adapters import Enricher
from engine.addresses import is_loopback
from engine.enrichment import Budget, FieldPolicy, Step
from engine.expressions import Names, suggestion
from engine.finder import Finder


def check(finder: Finder, names: Names) -> None:
    """Add the problems of the waterfall to the finder's."""
    enrichment = finder.integration.enrichment
    adapters: dict[str, type[Enricher]] = {}
    for at, step in enrichment.placed():
        adapter = finder.adapter(finder.plugins.enricher, step.use, step.config, at)
        if adapter is not None:
            adapters[at] = adapter
            _check_step(finder, step, adapter, at)
        if step.when:
            finder.expression(step.when, names, f"{at}.when")
        _check_budget(finder, step.budget, f"{at}.budget")
    if enrichment.when:
        finder.expression(enrichment.when, names, "enrichment.when")
    _check_budget(finder, enrichment.budget, "enrichment.budget")
    _check_callbacks(finder)
    _check_labels(finder)
    for field, policy in enrichment.fields.items():
        at = f"enrichment.fields.{field}"
        if field not in names.fields:
            finder.problem("unknown-lead-field", f"unknown lead field {field!r}", at, suggestion(field, names.fields))
        _check_order(finder, field, policy, adapters, at)
        _check_verification(finder, field, policy, adapters, at)


def _check_step(finder: Finder, step: Step, adapter: type[Enricher], at: str) -> None:
    for wanted in step.want:
        if wanted not in adapter.provides:
            hint = suggestion(wanted, adapter.provides) or f"It provides {', '.join(adapter.provides)}."
            finder.problem("adapter-cannot", f"{step.use} does not provide {wanted!r}", f"{at}.want", hint)
    if not adapter.online and step.budget != Budget():
        what = f"{step.use} makes no calls that a budget could be for"
        finder.problem("adapter-cannot", what, f"{at}.budget", "Remove the budget.")


def _check_budget(finder: Finder, budget: Budget, at: str) -> None:
    """A day that allows less than a run makes the run's figure say nothing, and is likely a mistake."""
    for name, run, day in (("calls", budget.calls, budget.day_calls), ("cost", budget.cost, budget.day_cost)):
        if run is not None and day is not None and day < run:
            what = f"the budget of a day ({day:g} {name}) is below that of a run ({run:g})"
            finder.problem("contradiction", what, at)


def _check_callbacks(finder: Finder) -> None:
    """Where posted answers arrive: a port that exists, and an address that nobody can read along."""
    enrichment = finder.integration.enrichment
    if enrichment.listen and int(enrichment.listen.rpartition(":")[2]) > 65_535:
        at, fix = "enrichment.callbacks.listen", "Ports go up to 65535."
        finder.problem("unsafe-address", "there is no such port", at, fix)
    parts = urlsplit(enrichment.callback_url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        what = "people's data would be posted in the clear"
        finder.problem("unsafe-address", what, "enrichment.callbacks.url", "Give an https address.")


def _check_labels(finder: Finder) -> None:
    """Steps that `order` could mean twice need labels of their own."""
    enrichment = finder.integration.enrichment
    named = Counter(step.label or step.use for step in enrichment.steps)
    ordered = {label for policy in enrichment.fields.values() for label in policy.order}
    for index, step in enumerate(enrichment.steps):
        label = step.label or step.use
        if named[label] > 1 and (step.label or label in ordered):
            at = f"{enrichment.at}.{index}"
            finder.problem("stands-twice", f"two steps are called {label!r}", at, "Give each a `label`.")
            named[label] = 1


def _check_order(finder: Finder, field: str, policy: FieldPolicy, adapters: dict[str, type[Enricher]], at: str) -> None:
    enrichment = finder.integration.enrichment
    steps: dict[str, list[tuple[Step, type[Enricher] | None]]] = {}
    for index, step in enumerate(enrichment.steps):
        steps.setdefault(step.label or step.use, []).append((step, adapters.get(f"{enrichment.at}.{index}")))
    # The name of a file's own provider is known only when the file has been read, and a step whose `use` is wrong may
    # be the one that is meant.
    unsure = any(not step.label and (step.use == "http" or adapter is None)
                 for named in steps.values() for step, adapter in named)  # fmt: skip
    for label in policy.order:
        if label not in steps:
            if not unsure:
                hint = suggestion(label, steps) or f"The steps are {', '.join(steps)}."
                finder.problem("unknown-step", f"no step is called {label!r}", f"{at}.order", hint)
            continue
        named = steps[label]
        if any(adapter is None or field in (step.want or adapter.provides) for step, adapter in named):
            continue
        can = any(adapter is not None and field in adapter.provides for _, adapter in named)
        finder.problem("contradiction", f"the step {label!r} does not give {field!r}", f"{at}.order",
                       "Add it to the step's `want`." if can else "Take the step out of the order.")  # fmt: skip


def _check_verification(
    finder: Finder, field: str, policy: FieldPolicy, adapters: dict[str, type[Enricher]], at: str
) -> None:
    if field != "email" and (policy.verify or policy.accept != FieldPolicy().accept):
        what = "only email addresses have a status and can be verified"
        finder.problem("contradiction", what, at, "Remove `accept` and `verify`.")
        return
    for index, step in enumerate(policy.verify):
        adapter = adapters.get(f"{at}.verify.{index}")
        if adapter is not None and "email_status" not in adapter.provides:
            finder.problem("adapter-cannot", f"{step.use} does not verify addresses", f"{at}.verify.{index}.use",
                           "Use one that provides email_status.")  # fmt: skip
