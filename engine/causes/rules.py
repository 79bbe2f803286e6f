"""What a matching rule forbids, and what the spec requires of a lead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from engine import check
from engine.causes.case import Case, Proposal
from engine.spec_edit import Put, Remove, Step
from engine.specs import Rule
from engine.stages.rows import missing_fields


def duplicates(case: Case) -> Iterator[Proposal]:
    """Write the record that was changed last, where several have the key."""
    rules = check.rules_of(case.integration, case.vendor)
    counts = Counter(key[0] for each in case.leads for key in (each.sent or {}).get("keys", [])
                     if str(key[1]) in each.message)  # fmt: skip
    for index, rule in enumerate(rules):
        plausible = counts[rule.by] or (not counts and rule.by not in case.vendor.named)
        if rule.duplicates == "fail" and plausible:
            steps = _set(case, rules, index, duplicates="most_recent")
            yield Proposal(f"matching by {rule.by}: of several records, write the one that was changed last", steps)


def existing(case: Case) -> Iterator[Proposal]:
    """Update a record that is there already."""
    rules = check.rules_of(case.integration, case.vendor)
    for index, rule in enumerate(rules):
        if rule.action == "create_only":
            steps = _set(case, rules, index, action="upsert")
            yield Proposal(f"matching by {rule.by}: update whoever is there already", steps)


def _set(case: Case, rules: tuple[Rule, ...], index: int, **keys: Any) -> tuple[Step, ...]:
    """Set keys of a rule; the usual rules, which stand in no spec, are written down for it."""
    if case.integration.matching:
        return tuple(Put(("matching", index, key), value) for key, value in keys.items())
    changed = [replace(rule, **keys) if number == index else rule for number, rule in enumerate(rules)]
    return (Put(("matching",), [{"by": rule.by, "value": rule.value, **rule.options} for rule in changed]),)


def required(case: Case) -> Iterator[Proposal]:
    """Require fewer fields: without those that the leads lack."""
    own = case.integration.required
    lacking = {name for each in case.leads if each.stage == "capture"
               for name in missing_fields(case.integration, each.lead.fields)}  # fmt: skip
    if not lacking:
        return
    kept = [name for name in own if name not in lacking]
    written = "required" in case.integration.places
    if written and kept:
        gone = [index for index, name in enumerate(own) if name in lacking]
        steps: tuple[Step, ...] = tuple(Remove(("required", index)) for index in reversed(gone))
    else:
        steps = (Put(("required",), kept),)
    yield Proposal(f"require no {', no '.join(name for name in own if name in lacking)}", steps)
