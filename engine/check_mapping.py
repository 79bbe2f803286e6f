"""What is wrong with the mapping part of a spec: rows, qualifiers, programs, lists. Seen without asking the vendor."""

from __future__ import annotations

from engine.adapters import Vendor
from engine.expressions import Names, suggestion
from engine.filters import text
from engine.finder import Finder
from engine.specs import FieldRow, ProgramRow, QualifierRow


def check(finder: Finder, vendor: type[Vendor] | None, names: Names) -> None:
    """Add the findings of the mapping to the finder's."""
    mapping = finder.integration.mapping
    targets: dict[str, str] = {}
    used: set[str] = set()
    for row in mapping.fields:
        at = f"mapping.fields.{row.target}"
        targets[row.target] = at
        used |= _check_row(finder, row, names, at)
        if row.write == "on_create" and vendor is not None and not vendor.on_create:
            what = f"{row.target}: {vendor.name} cannot write on creation only"
            finder.problem("adapter-cannot", what, at, "Use if_blank.")
        if row.write == "if_blank" and row.empty == "clear":
            what = f"{row.target}: a field that is written only where it is empty cannot be cleared"
            finder.problem("contradiction", what, at, "Remove `empty: clear`, or `write: if_blank`.")
    for qualifier in mapping.qualifiers:
        _check_qualifier(finder, qualifier, targets)
    _check_programs(finder, vendor, names, used)
    for index, _ in enumerate(mapping.lists):
        if vendor is not None and not vendor.has_lists:
            finder.problem("adapter-cannot", f"{vendor.name} has no lists", f"mapping.lists.{index}",
                           "Remove `lists` from the mapping.")  # fmt: skip
    for place in (rule.value for rule in finder.integration.matching):
        used |= _qualifiers_in(finder, place, names)
    used |= {row.qualifier for row in mapping.qualifiers} | {row.qualifier for row in mapping.programs}
    conditions = [finder.integration.enrichment.when, *(s.when for _, s in finder.integration.enrichment.placed())]
    for condition in conditions:
        used |= _qualifiers_in(finder, condition, names)
    _check_unused(finder, used)


def _check_unused(finder: Finder, used: set[str]) -> None:
    """Answers that are read and written nowhere; a profile in a file of its own may be for other integrations too."""
    integration = finder.integration
    if any(problem.code == "unknown-qualifier" for problem in finder.problems):
        return  # what is mistyped in the mapping has been told there
    for name in integration.source.qualifiers:
        at = f"source.qualifiers.{name}"
        if name not in used and integration.place(at).path == str(integration.path):
            finder.problem("unused-qualifier", f"the answers to {name!r} are read and written nowhere", at,
                           "Map it, or remove it.")  # fmt: skip


def _check_row(finder: Finder, row: FieldRow, names: Names, at: str) -> set[str]:
    """Check a row's expressions; returns the qualifiers that they read."""
    value = finder.expression(row.value, names, at)
    condition = finder.expression(row.when, names, f"{at}.when") if row.when else None
    for given, instead in row.values.items() if row.options else ():
        if text(instead) and text(instead) not in row.options:
            what = f"{row.target}: {text(instead)!r} is not among the row's options"
            finder.problem("value-refused", what, f"{at}.values.{given}", suggestion(text(instead), row.options))
    return {name for found in (value, condition) if found is not None for name in found.qualifiers}


def _qualifiers_in(finder: Finder, text: str, names: Names) -> set[str]:
    """The qualifiers that an expression reads which is checked elsewhere."""
    if not text:
        return set()
    silent = Finder(finder.integration, finder.plugins, [])
    found = silent.expression(text, names, "")
    return set(found.qualifiers) if found is not None else set()


def _check_qualifier(finder: Finder, row: QualifierRow, targets: dict[str, str]) -> None:
    at = f"mapping.qualifiers.{row.qualifier}"
    declared = finder.integration.source.qualifiers
    if not row.field:
        finder.problem("no-target", f"the answers to {row.qualifier!r} go to no field", f"{at}.field")
    elif row.field in targets:
        what = f"{row.field!r} is written twice"
        finder.problem("written-twice", what, at, f"It is also written by {targets[row.field]}.")
    targets[row.field] = at
    if row.qualifier not in declared:
        hint = suggestion(row.qualifier, declared) or "Add it under `source.qualifiers`."
        finder.problem("unknown-qualifier", f"the source has no qualifier {row.qualifier!r}", at, hint)
    for answer, option in (row.options or {}).items():
        if not option.strip():
            what = f"the answer {answer!r} has no option"
            finder.problem("no-target", what, f"{at}.options.{answer}", "Give the option that is written for it.")
    column = declared.get(row.qualifier)
    if row.multiple and column is not None and not column.separator:
        what = f"{row.qualifier!r} takes several answers here, and the source does not say what stands between them"
        finder.problem("missing-separator", what, f"{at}.multiple", "Give its column a `separator`.")


def _check_programs(finder: Finder, vendor: type[Vendor] | None, names: Names, used: set[str]) -> None:
    declared = finder.integration.source.qualifiers
    seen: dict[tuple[str, str], ProgramRow] = {}
    for index, program in enumerate(finder.integration.mapping.programs):
        at = f"mapping.programs.{index}"
        if vendor is not None and not vendor.has_programs:
            fix = "Remove `programs` from the mapping."
            finder.problem("adapter-cannot", f"{vendor.name} has no programs", at, fix)
            continue
        for row in program.fields:
            used |= _check_row(finder, row, names, f"{at}.fields.{row.target}")
            if row.write != "overwrite":
                what = "a member's field is always overwritten"
                finder.problem("contradiction", what, f"{at}.fields.{row.target}", "Remove `write`.")
        if not program.status and not program.qualifier:
            what = "the program has neither `status` nor `status_from`"
            finder.problem("no-target", what, at, "Add `status:`, exactly as in the program's channel.")
        for answer, status in program.options.items():
            if not status.strip():
                what = f"the answer {answer!r} gives no status"
                finder.problem("no-target", what, f"{at}.status_from.options.{answer}", "Give the status.")
        if program.qualifier and program.qualifier not in declared:
            hint = suggestion(program.qualifier, declared) or "Add it under `source.qualifiers`."
            what = f"the source has no qualifier {program.qualifier!r}"
            finder.problem("unknown-qualifier", what, f"{at}.status_from.qualifier", hint)
        known = seen.setdefault((program.program_id, program.event), program)
        if known is not program and known.min_scans == program.min_scans:
            where = f" at {program.event!r}" if program.event else ""
            what = f"two rows give program {program.program_id}{where}"
            finder.problem("written-twice", what, at, "Remove one; `status_from` gives several statuses.")
