"""The text of a first integration: one that is right at once, and that teaches its parts by comments."""

from __future__ import annotations

import os
from collections.abc import Iterator

from engine.authoring.guesses import SURE, Guess
from engine.authoring.proposal import Proposal
from engine.authoring.rows import Row
from engine.authoring.settings import destination_settings
from engine.authoring.yaml_text import comment, flow, flow_list, line, one_line, scalar

#: Folder of schemas beside a spec, as `engine schema --output schemas` makes it.
SCHEMAS = "schemas"


def integration_text(proposal: Proposal) -> str:
    """The integration as YAML."""
    parts = (_head, _source, _required, _enrichment, _destination, _matching, _mapping)
    return "\n".join("\n".join(part(proposal)) + "\n" for part in parts)


def schema_line(proposal: Proposal, kind: str) -> list[str]:
    """The line that lets editors check a file of this kind, where the schemas stand beside it."""
    there = (proposal.folder / SCHEMAS / f"{kind}.json").is_file()
    return [f"# yaml-language-server: $schema={SCHEMAS}/{kind}.json"] if there else []


def _head(proposal: Proposal) -> Iterator[str]:
    yield from schema_line(proposal, "integration")
    yield comment(0, f"Takes the leads of {proposal.export.path.name} to {proposal.vendor.name}.")
    yield comment(
        0, "This is a first proposal: change what you like. Rows behind a # are off; a figure in per cent stands"
    )
    yield comment(0, "where a proposal is less than sure.")
    yield comment(0, f"  engine check {proposal.path.name}     shows what is wrong, and sends nothing")
    yield comment(0, f"  engine fields {proposal.vendor.name}    shows the names of the vendor's fields")
    yield "version: 1"
    yield line(0, "name", scalar(proposal.name))


def _source(proposal: Proposal) -> Iterator[str]:
    yield comment(0, "Where the leads come from. The encoding and the delimiter of the file are detected.")
    yield "source:"
    yield line(2, "use", scalar(proposal.export.use))
    yield line(2, "path", scalar(os.path.relpath(proposal.export.path.resolve(), proposal.folder.resolve())))
    if proposal.event:
        yield line(2, "event", scalar(proposal.event), "for rows that name no event themselves")
    elif not proposal.has("event"):
        yield comment(2, "event: Expo 2026  # the event of the rows: programs and lists go by it")
    yield comment(2, "Column of the file: field of the lead. A name that is no lead field makes a field of your own.")
    listed = [guess for guess in proposal.guesses if guess.use in ("field", "own")]
    yield "  columns:" if any(guess.taken for guess in listed) else "  columns: {}"
    for guess in listed:
        remark = f"{guess.confidence:.0%}: {guess.reason}" if guess.confidence < SURE and guess.use == "field" else ""
        yield line(4, guess.column, scalar(guess.field), remark, off=not guess.taken)
    yield from _qualifier_columns(proposal)
    out = [guess.column for guess in proposal.guesses if guess.use == "out"]
    for column in out:
        yield comment(2, f"Left out: {scalar(one_line(column))}")


def _qualifier_columns(proposal: Proposal) -> Iterator[str]:
    questions = [row for row in proposal.rows if row.guess.use == "qualifier"]
    if not questions:
        return
    yield comment(2, "Questions with a few answers. Name of the qualifier: the column with the answers.")
    yield comment(2, "separator: what stands between several answers.")
    if any(row.target for row in questions):
        yield "  qualifiers:"
    else:
        yield comment(2, "qualifiers:")
    for row in questions:
        remark = "" if row.target else "no field of the vendor is like it; see the mapping"
        yield line(4, row.guess.column, _column(row.guess), remark, off=not row.target)


def _column(guess: Guess) -> str:
    if guess.content.separator:
        return flow({"column": scalar(guess.column), "separator": scalar(guess.content.separator)})
    return scalar(guess.column)


def _required(proposal: Proposal) -> Iterator[str]:
    yield comment(0, "A capture without one of these waits as a failure until somebody completes it.")
    yield line(0, "required", flow_list(proposal.required))


def _enrichment(proposal: Proposal) -> Iterator[str]:
    yield comment(
        0, "What the scan left out, step by step. These cost nothing; `engine providers` lists those that can"
    )
    yield comment(0, "be asked for more.")
    if not proposal.steps:
        yield "enrichment: []"
        return
    yield "enrichment:"
    for step in proposal.steps:
        yield f"  - use: {step}"
        if step == "normalize" and proposal.region:
            yield line(4, "config", flow({"default_region": scalar(proposal.region)}), "of phones without a prefix")
        elif step == "normalize":
            yield comment(4, "config: {default_region: US}  # of phone numbers that are written without a prefix")


def _destination(proposal: Proposal) -> Iterator[str]:
    yield comment(0, "Where the leads go. Secrets are never written here: each is named by its environment variable.")
    yield comment(0, f"`engine sandbox {proposal.vendor.name}` is a vendor to try it on; it prints the same variables.")
    yield "destination:"
    yield line(2, "use", scalar(proposal.vendor.name))
    yield line(2, "sync_mode", "automatic", "manual: leads wait for `engine release`")
    if proposal.catalog is not None:
        yield line(2, "catalog", scalar(f"{proposal.name}.catalog.json"), "the vendor's fields, for `engine check`")
    yield "  config:"
    for setting in destination_settings(proposal.vendor):
        given = {"env": setting.variable} | ({"default": scalar(setting.default)} if setting.default else {})
        yield line(4, setting.key, flow(given))


def _matching(proposal: Proposal) -> Iterator[str]:
    yield comment(0, "How a person is found at the vendor, rule by rule; who is not found is created by the last one.")
    keys = proposal.vendor.keys
    rules = [("lead_id", "lead.remote_id")] if "lead_id" in keys and proposal.has("remote_id") else []
    rules += [("email", "lead.email")] if "email" in keys else []
    yield "matching:" if rules else "# matching: the vendor's own keys, in its own order"
    for by, value in rules:
        yield f"  - {{by: {by}, value: {value}}}"


def _mapping(proposal: Proposal) -> Iterator[str]:
    yield comment(0, "What is written. An empty value writes nothing and leaves what the vendor has.")
    yield "mapping:"
    yield comment(2, "Field of the vendor: an expression, as in `lead.first_name | title`; see docs/expressions.md.")
    yield comment(2, "Where the vendor's value is to stay: company: {value: lead.company, write: if_blank}")
    yield "  fields:"
    for row in proposal.rows:
        if row.guess.use != "qualifier":
            yield _field_line(row)
    yield from _qualifiers(proposal)
    yield from _places(proposal)


def _field_line(row: Row) -> str:
    off = not row.target
    remark = _doubt(row)
    value = scalar(row.value)
    if row.too_long:
        value = flow({"value": value, "too_long": "truncate"})
    return line(4, row.target or _candidate(row), value, remark, off=off)


def _doubt(row: Row) -> str:
    """What people should know of a row: that none is sure, or how sure it is."""
    if not row.target:
        return f"{row.reason}; perhaps {', '.join(row.candidates)}" if row.candidates else row.reason
    unmatched = f"no option for {', '.join(row.unmatched)}" if row.unmatched else ""
    sure = f"{row.confidence:.0%}: {row.reason}" if row.confidence < SURE else ""
    return "; ".join(part for part in (sure, unmatched) if part)


def _candidate(row: Row) -> str:
    return row.candidates[0] if row.candidates else "FIELD"


def _qualifiers(proposal: Proposal) -> Iterator[str]:
    questions = [row for row in proposal.rows if row.guess.use == "qualifier"]
    if not questions:
        return
    yield comment(2, "Qualifier: the field for its answers. options: answer to option, where the two differ; an answer")
    yield comment(2, "that is not among them then fails the lead. Take a # away here and under source.qualifiers.")
    yield "  qualifiers:" if any(row.target for row in questions) else "  # qualifiers:"
    for row in questions:
        parts = {"field": scalar(row.target or _candidate(row))}
        if row.options:
            parts["options"] = flow({answer: scalar(option) for answer, option in row.options.items()})
        if row.guess.content.separator:
            parts["multiple"] = "true"
        yield line(4, row.guess.column, flow(parts), _doubt(row), off=not row.target)


def _places(proposal: Proposal) -> Iterator[str]:
    event = scalar(proposal.event or "Expo 2026")
    if proposal.vendor.has_programs:
        yield comment(2, "Programs that the leads become members of, and with which status:")
        yield comment(2, "programs:")
        yield comment(2, f"  - {{event: {event}, program_id: 1107, status: Registered}}")
    if proposal.vendor.has_lists:
        yield comment(2, "Lists that the leads are put on:")
        yield comment(2, "lists:")
        yield comment(2, f"  - {{event: {event}, list_id: 1001}}")
