"""Everything that is wrong with an integration, at once, and the parts of it that a run is made of. Sends nothing."""

from __future__ import annotations

import os
from difflib import get_close_matches

from engine import check_enrichment, check_mapping, check_notify, tables
from engine.adapters import Vendor
from engine.errors import SpecError
from engine.expressions import ExpressionError, Names, parse, suggestion
from engine.finder import Finder
from engine.plugins import Plugins
from engine.records import DERIVED_FIELDS, LEAD_FIELDS
from engine.settings import is_reference
from engine.specs import Integration, Rule, SpecErrors


def names_of(integration: Integration, plugins: Plugins) -> Names:
    """What expressions of this integration may refer to. Its lookup tables are read."""
    declared = integration.source.columns.values()
    enriched = {
        name
        for _, step in integration.enrichment.placed()
        if step.use in plugins.enrichers
        for name in (*plugins.enrichers[step.use].provides, *step.want)
    }
    qualifiers = {*integration.source.qualifiers, *(row.qualifier for row in integration.mapping.qualifiers)}
    fields = {*LEAD_FIELDS, *DERIVED_FIELDS, *declared, *enriched}
    return Names(fields, qualifiers, plugins.filters, tables.read_all(integration))


def rules_of(integration: Integration, vendor: type[Vendor]) -> tuple[Rule, ...]:
    """The matching rules, or the vendor's keys in its own order where the spec names none."""
    usual = {"lead_id": "lead.remote_id", "email": "lead.email"}
    return integration.matching or tuple(Rule(key, usual[key]) for key in vendor.keys if key in usual)


def check(integration: Integration, plugins: Plugins) -> list[SpecError]:
    """All findings of an integration that can be seen without asking the vendor, in the order of the file."""
    finder = Finder(integration, plugins, [])
    source = integration.source
    finder.adapter(plugins.source, source.use, {**source.config, "path": source.path or "-"}, "source")
    vendor = finder.adapter(plugins.vendor, integration.destination.use, integration.destination.config, "destination")
    names = names_of(integration, plugins)
    finder.problems += [table for table in names.tables.values() if isinstance(table, SpecError)]
    check_enrichment.check(finder, names)
    for index, name in enumerate(integration.required):
        if name not in names.fields:
            finder.problem("unknown-lead-field", f"unknown lead field {name!r}", f"required.{index}",
                           suggestion(name, names.fields))  # fmt: skip
    _check_columns(finder)
    _check_matching(finder, vendor, names)
    check_mapping.check(finder, vendor, names)
    check_notify.check(finder)
    order = {place: index for index, place in enumerate(dict.fromkeys(p.where for p in finder.problems))}
    return sorted(finder.problems, key=lambda problem: order[problem.where])


def _check_columns(finder: Finder) -> None:
    """A column that becomes a field of one's own is fine, unless the name is a known one mistyped."""
    columns: dict[str, str] = {}
    for column, field in finder.integration.source.columns.items():
        at = f"source.columns.{column}"
        meant = get_close_matches(field, LEAD_FIELDS, n=1, cutoff=0.8)
        if field not in LEAD_FIELDS and meant:
            what = f"{field!r} is no lead field"
            finder.problem("unknown-lead-field", what, at, f"Did you mean {meant[0]!r}?")
        elif field in columns:
            what = f"the lead field {field!r} is filled by two columns"
            fix = f"It is also filled by {columns[field]!r}: remove one, or give it a field of its own."
            finder.problem("written-twice", what, at, fix)
        columns[field] = column


def _check_matching(finder: Finder, vendor: type[Vendor] | None, names: Names) -> None:
    seen: list[Rule] = []
    for index, rule in enumerate(finder.integration.matching):
        at = f"matching.{index}"
        if vendor is not None and rule.by not in vendor.keys and not vendor.field_keys:
            hint = suggestion(rule.by, vendor.keys) or f"It matches by {', '.join(vendor.keys)}."
            finder.problem("adapter-cannot", f"{vendor.name} cannot match by {rule.by!r}", f"{at}.by", hint)
        if vendor is not None and rule.action not in vendor.actions:
            can = f"It can {', '.join(vendor.actions)}."
            finder.problem("adapter-cannot", f"{vendor.name} cannot {rule.action}", f"{at}.action", can)
        elif vendor is not None and rule.by in vendor.named and rule.action == "create_only":
            what = f"{rule.by} names a record that exists, so nothing can be created by it"
            finder.problem("contradiction", what, f"{at}.action", "Use update_only, or leave the action out.")
        before = next((number for number, other in enumerate(seen) if _decides(other, rule, vendor, names)), None)
        if rule in seen:
            finder.problem("stands-twice", f"the rule by {rule.by} stands twice", at, "Remove one.")
        elif finder.expression(rule.value, names, f"{at}.value") is not None and before is not None:
            what = f"the rule by {rule.by} is never tried: rule {before + 1} decides for every lead that it is for"
            finder.problem("unreachable-rule", what, at, "Remove it, or put it in front.")
        seen.append(rule)
    _check_addresses(finder, vendor)


def _decides(rule: Rule, later: Rule, vendor: type[Vendor] | None, names: Names) -> bool:
    """Whether a rule leaves nobody to a later one: it ends the search, and has a value wherever the later one has."""
    if vendor is None or rule.by in vendor.named:
        return False
    ends = rule.action == "create_only" or "update_only" not in vendor.actions
    try:
        read = parse(rule.value, names)
    except ExpressionError:
        return False
    always = not read.lead_fields and not read.qualifiers
    return ends and (always or rule.value.strip() == later.value.strip())


def _check_addresses(finder: Finder, vendor: type[Vendor] | None) -> None:
    """Nobody is to be created without an address where the vendor finds people by it."""
    integration = finder.integration
    if vendor is None or "email" not in vendor.keys or any(rule.by == "email" for rule in integration.matching):
        return
    creating = [rule for rule in integration.matching if rule.action != "update_only" and rule.by not in vendor.named]
    if creating and all(row.target != "email" for row in integration.mapping.fields):
        what = f"nobody created at {vendor.name} would get an email address"
        finder.problem("missing-match-field", what, "mapping.fields", "Add the row `email: lead.email`.")


def unset_variables(integration: Integration) -> list[str]:
    """The environment variables that a run of this integration needs and that are not set now."""
    configs = [integration.source.config, *(step.config for _, step in integration.enrichment.placed())]
    configs += [part for rule in integration.notify for part in (rule.config, rule.headers)]
    references = [
        value
        for config in (*configs, integration.destination.config)
        for value in config.values()
        if is_reference(value) and "env" in value and "default" not in value and not value.get("optional")
    ]
    return [str(value["env"]) for value in references if not os.environ.get(str(value["env"]))]


def refuse_if_wrong(integration: Integration, plugins: Plugins) -> None:
    """Raise all errors at once, if there are any; a warning keeps nothing from running."""
    problems = [problem for problem in check(integration, plugins) if problem.level == "error"]
    if problems:
        raise SpecErrors(problems)
