"""engine explain: the page of a code, in the terminal."""

from __future__ import annotations

import click
from rich.markup import escape
from rich.table import Table

from engine import plugins as plugin_loader
from engine.cli.common import console, table
from engine.code_pages import Page, aligned, names, pages
from engine.codes import CODES, NOTICES
from engine.errors import SpecError
from engine.expressions import suggestion


@click.command()
@click.argument("code")
def explain(code: str) -> None:
    """Explain a CODE: what it means, who fixes it and how.

    CODE is that of a failure (NO_TAG_MAPPING), of a notice (VALUE_TRUNCATED), or a vendor's own (1007).
    """
    vendors = {name: vendor.codes for name, vendor in plugin_loader.load().vendors.items()}
    found = pages(code, vendors)
    if not found:
        hint = suggestion(code.upper(), names(vendors))
        listed = f"Failures: {', '.join(CODES)}. Notices: {', '.join(NOTICES)}. Or a vendor's own code."
        raise SpecError(f"there is no code {code!r}", fix=hint or listed)
    for page in found:
        _print(page)


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
