"""engine explain: the page of a code, or the way of a lead's values, in the terminal."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from engine import plugins as plugin_loader
from engine.cli.common import console, integration_option, json_option, print_json, state_option, table
from engine.cli.explain_lead import explain_lead
from engine.code_pages import Page, aligned, names, pages
from engine.codes import NOTICES
from engine.errors import SpecError
from engine.expressions import suggestion
from engine.findings import FINDINGS


@click.command()
@click.argument("code_or_lead")
@click.option("--lead", is_flag=True, help="Mean a lead, where there is a code of that name as well.")
@integration_option
@state_option
@json_option
def explain(code_or_lead: str, lead: bool, integration: str | None, state: Path, as_json: bool) -> None:
    """Explain a code, or where each value of a lead came from and went to.

    A code is that of a failure (NO_TAG_MAPPING), of a notice (VALUE_TRUNCATED), of a finding of `engine check`
    (unknown-lead-field), or a vendor's own (1007): what it means, who fixes it and how. Any other word is a lead's
    number, address or key: for each field the captured cell, what normalisation and enrichment made of it, what was
    edited, and the vendor's field.
    """
    plugins = plugin_loader.load()
    vendors = {name: vendor.codes for name, vendor in plugins.vendors.items()}
    found = [] if lead else pages(code_or_lead, vendors, plugins.codes)
    if found:
        if as_json:
            print_json({"schema_version": 1, "pages": [asdict(page) for page in found]})
            return
        for page in found:
            _print(page)
        return
    if (state.exists() or lead) and explain_lead(code_or_lead, state, integration, as_json=as_json):
        return
    # No code has an @ in it: a list of codes would help nobody who looks for an address.
    if lead or (state.exists() and "@" in code_or_lead):
        fix = "Give its number, address or key; --integration NAME looks in another integration of this state."
        raise SpecError(f"there is no lead {code_or_lead!r}", fix=fix)
    hint = suggestion(code_or_lead.upper(), names(vendors, plugins.codes)) or suggestion(code_or_lead.lower(), FINDINGS)
    listed = f"Failures: {', '.join(plugins.codes)}. Notices: {', '.join(NOTICES)}. Findings: {', '.join(FINDINGS)}."
    listed += " Or a vendor's own code."
    what = "code and no lead" if state.exists() else "code"
    raise SpecError(f"there is no {what} {code_or_lead!r}", fix=hint or listed)


def _print(page: Page) -> None:
    out = console()
    out.print(f"[bold]{escape(page.name)}[/bold]\n{escape(page.meaning)}\n")
    for section in page.sections:
        if section.title:
            out.print(f"[bold]{escape(section.title.replace('`', ''))}[/bold]")
        if section.points:
            listed = Table.grid(padding=(0, 1, 0, 0))
            for point in section.points:
                listed.add_row("  -", escape(point))
            out.print(listed)
        for line in (*section.printed, *(aligned(section.commands) if section.commands else ())):
            out.print(f"  {line}", markup=False, soft_wrap=True)
        if section.rows:
            made = table(*section.head)
            for row in section.rows:
                made.add_row(*(escape(cell.replace("`", "")) for cell in row))
            out.print(made)
        out.print()
