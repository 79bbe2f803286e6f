"""Everything that is wrong with an integration, at once, and the parts of it that a run is made of. Sends nothing."""

from __future__ import annotations

import os
from difflib import get_close_matches

from engine import check_enrichment
from engine.adapters import Vendor
from engine.errors import SpecError
from engine.expressions import Names, suggestion
from engine.finder import Finder
from engine.plugins import Plugins
from engine.records import DERIVED_FIELDS, LEAD_FIELDS
from engine.settings import is_reference
from engine.specs import Integration, Rule, SpecErrors


def names_of(integration: Integration, plugins: Plugins) -> Names:
    """What expressions of this integration may refer to."""
    declared = integration.source.columns.values()
    enriched = {
        name
        for _, step in integration.enrichment.placed()
        if step.use in plugins.enrichers
        for name in (*plugins.enrichers[step.use].provides, *step.want)
    }
    qualifiers = {*integration.source.qualifiers, *(row.qualifier for row in integration.mapping.qualifiers)}
    return Names({*LEAD_FIELDS, *DERIVED_FIELDS, *declared, *enriched}, qualifiers, plugins.filters)


def rules_of(integration: Integration, vendor: type[Vendor]) -> tuple[Rule, ...]:
    """The matching rules, or the vendor's keys in its own order where the spec names none."""
    usual = {"lead_id": "lead.remote_id", "email": "lead.email"}
    return integration.matching or tuple(Rule(key, usual[key]) for key in vendor.keys if key in usual)


def check(integration: Integration, plugins: Plugins) -> list[SpecError]:
    """All problems of an integration that can be seen without asking the vendor, in the order of the file."""
    finder = Finder(integration, plugins, [])
    source = integration.source
    finder.adapter(plugins.source, source.use, {**source.config, "path": source.path or "-"}, "source")
    vendor = finder.adapter(plugins.vendor, integration.destination.use, integration.destination.config, "destination")
    names = names_of(integration, plugins)
    check_enrichment.check(finder, names)
    for name in integration.required:
        if name not in names.fields:
            finder.problem(f"unknown lead field {name!r}", "required", suggestion(name, names.fields))
    _check_source(finder)
    _check_matching(finder, vendor, names)
    _check_mapping(finder, vendor, names)
    order = {place: index for index, place in enumerate(dict.fromkeys(p.where for p in finder.problems))}
    return sorted(finder.problems, key=lambda problem: order[problem.where])


def _check_source(finder: Finder) -> None:
    """A column that becomes a field of one's own is fine, unless the name is a known one mistyped."""
    for column, field in finder.integration.source.columns.items():
        meant = get_close_matches(field, LEAD_FIELDS, n=1, cutoff=0.85)
        if field not in LEAD_FIELDS and meant:
            finder.problem(f"{field!r} is no lead field", f"source.columns.{column}", f"Did you mean {meant[0]!r}?")


def _check_matching(finder: Finder, vendor: type[Vendor] | None, names: Names) -> None:
    seen: set[Rule] = set()
    for index, rule in enumerate(finder.integration.matching):
        at = f"matching.{index}"
        if vendor is not None and rule.by not in vendor.keys and not vendor.field_keys:
            hint = suggestion(rule.by, vendor.keys) or f"It matches by {', '.join(vendor.keys)}."
            finder.problem(f"{vendor.name} cannot match by {rule.by!r}", f"{at}.by", hint)
        if vendor is not None and rule.action not in vendor.actions:
            can = f"It can {', '.join(vendor.actions)}."
            finder.problem(f"{vendor.name} cannot {rule.action}", f"{at}.action", can)
        if vendor is not None and rule.by in vendor.named and rule.action == "create_only":
            finder.problem(f"{rule.by} names a record that exists, so nothing can be created by it", f"{at}.action")
        if rule in seen:
            finder.problem(f"the rule by {rule.by} stands twice", at, "Remove one.")
        seen.add(rule)
        finder.expression(rule.value, names, f"{at}.value")


def _check_mapping(finder: Finder, vendor: type[Vendor] | None, names: Names) -> None:
    mapping = finder.integration.mapping
    targets: dict[str, str] = {}
    for row in mapping.fields:
        at = f"mapping.fields.{row.target}"
        targets[row.target] = at
        finder.expression(row.value, names, at)
        if row.when:
            finder.expression(row.when, names, f"{at}.when")
        if row.write == "on_create" and vendor is not None and not vendor.on_create:
            finder.problem(f"{row.target}: {vendor.name} cannot write on creation only", at, "Use if_blank.")
        if row.write == "if_blank" and row.empty == "clear":
            finder.problem(f"{row.target}: a field that is written only where it is empty cannot be cleared", at)
    for qualifier in mapping.qualifiers:
        at = f"mapping.qualifiers.{qualifier.qualifier}"
        if qualifier.field in targets:
            finder.problem(
                f"{qualifier.field!r} is written twice", at, f"It is also written by {targets[qualifier.field]}."
            )
        targets[qualifier.field] = at
        if qualifier.qualifier not in finder.integration.source.qualifiers:
            hint = suggestion(qualifier.qualifier, finder.integration.source.qualifiers)
            finder.problem(f"the source has no qualifier {qualifier.qualifier!r}", at,
                           hint or "Add it under `source.qualifiers`.")  # fmt: skip
    for index, program in enumerate(mapping.programs):
        at = f"mapping.programs.{index}"
        if vendor is not None and not vendor.has_programs:
            finder.problem(f"{vendor.name} has no programs", at, "Remove `programs` from the mapping.")
        for row in program.fields:
            finder.expression(row.value, names, f"{at}.fields.{row.target}")
            if row.when:
                finder.expression(row.when, names, f"{at}.fields.{row.target}.when")
            if row.write != "overwrite":
                finder.problem("a member's field is always overwritten", f"{at}.fields.{row.target}", "Remove `write`.")
        if not program.status and not program.qualifier:
            finder.problem("the program has neither `status` nor `status_from`", at)
        if program.qualifier and program.qualifier not in finder.integration.source.qualifiers:
            finder.problem(f"the source has no qualifier {program.qualifier!r}", f"{at}.status_from",
                           suggestion(program.qualifier, finder.integration.source.qualifiers))  # fmt: skip

    for index, _ in enumerate(mapping.lists):
        if vendor is not None and not vendor.has_lists:
            finder.problem(f"{vendor.name} has no lists", f"mapping.lists.{index}", "Remove `lists` from the mapping.")


def unset_variables(integration: Integration) -> list[str]:
    """The environment variables that a run of this integration needs and that are not set now."""
    configs = [integration.source.config, *(step.config for _, step in integration.enrichment.placed())]
    references = [
        value
        for config in (*configs, integration.destination.config)
        for value in config.values()
        if is_reference(value) and "env" in value and "default" not in value and not value.get("optional")
    ]
    return [str(value["env"]) for value in references if not os.environ.get(str(value["env"]))]


def refuse_if_wrong(integration: Integration, plugins: Plugins) -> None:
    """Raise all problems at once, if there are any."""
    problems = check(integration, plugins)
    if problems:
        raise SpecErrors(problems)
