"""The questions of engine init: tables of what is proposed, and changes to it. All of it on standard error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import click
from rich.markup import escape

from engine.adapters import Vendor
from engine.authoring.content import Content
from engine.authoring.export import Export
from engine.authoring.guesses import SURE, Guess, own_name, with_own_names
from engine.authoring.rows import Row, aimed, suits
from engine.authoring.yaml_text import one_line
from engine.cli.common import console, counted, table
from engine.expressions import suggestion
from engine.filters import fold
from engine.records import LEAD_FIELDS, Field
from engine.saved_catalog import SavedCatalog

_USES = ("qualifier", "own", "out")


def ask_text(question: str, default: str) -> str:
    """One line of text; `default` where Enter is pressed."""
    answer: str = click.prompt(question, default=default, show_default=bool(default), err=True, prompt_suffix=" ")
    return answer.strip()


def ask_columns(guesses: Sequence[Guess], export: Export) -> list[Guess]:
    """Show what the columns are taken for, and let that be changed. Raises click.Abort."""
    found = list(guesses)
    while True:
        title = f"{counted(len(found), 'column')} of {export.path.name}, by {counted(export.rows, 'row')}"
        made = table("#no.", "column", "for example", "is", "#sure", "because", title=title)
        for number, guess in enumerate(found, 1):
            made.add_row(str(number), _cell(guess.column, 28), escape(_examples(guess.content)), _use(guess),
                         _sure(guess.confidence, guess.taken), _cell(guess.reason, 44))  # fmt: skip
        console(stderr=True).print(made)
        answer = _take("Take these columns?")
        if answer == "y":
            break
        while (picked := _number("Number of the column to change (Enter: done)?", len(found))) is not None:
            found = _changed(found, picked - 1)
    return with_own_names([_confirmed(guess) for guess in found])


def ask_rows(rows: Sequence[Row], vendor: type[Vendor], catalog: SavedCatalog | None) -> list[Row]:
    """Show which field of the vendor each row goes to, and let that be changed. Raises click.Abort."""
    found = list(rows)
    while True:
        made = table("#no.", "what", f"field of {vendor.name}", "#sure", "because", "others", title="The mapping")
        for number, row in enumerate(found, 1):
            others = ", ".join(name for name in row.candidates if name != row.target)
            target = _cell(row.target, 30) if row.target else "[dim]-[/dim]"
            made.add_row(str(number), _cell(row.name, 28), target, _sure(row.confidence, bool(row.target)),
                         _cell(row.reason, 40), _cell(others, 44))  # fmt: skip
        console(stderr=True).print(made)
        if _take("Take this mapping?") == "y":
            return found
        while (picked := _number("Number of the row to change (Enter: done)?", len(found))) is not None:
            found = _aimed(found, picked - 1, catalog)


def _take(question: str) -> str:
    answer = click.prompt(f"{question} [Y/n/edit]", default="y", show_default=False, err=True,
                          type=click.Choice(["y", "yes", "n", "no", "e", "edit"], case_sensitive=False),
                          show_choices=False, prompt_suffix=" ")  # fmt: skip
    if answer[0].lower() == "n":
        click.echo("nothing was written", err=True)
        raise SystemExit(0)
    return str(answer)[0].lower()


def _number(question: str, most: int) -> int | None:
    while True:
        answer = ask_text(question, "")
        if not answer:
            return None
        if answer.isdecimal() and 1 <= int(answer) <= most:
            return int(answer)
        click.echo(f"A number from 1 to {most}.", err=True)


def _changed(guesses: Sequence[Guess], index: int) -> list[Guess]:
    """The guesses with one changed as somebody says; another column of the same field becomes an own one."""
    found, guess = list(guesses), guesses[index]
    question = f"{one_line(guess.column, 40)}: a lead field, qualifier, own, out, or a name of your own?"
    while True:
        answer = ask_text(question, guess.field or guess.use)
        if answer in _USES or answer in LEAD_FIELDS:
            break
        near = suggestion(answer, [*LEAD_FIELDS, *_USES])
        if re.fullmatch(r"[a-z][a-z0-9_]{0,63}", answer) and own_name(answer, (), 0) == answer:
            break
        click.echo(near or "Small letters, digits and _, beginning with a letter.", err=True)
    use = answer if answer in _USES else "field" if answer in LEAD_FIELDS else "own"
    field = "" if answer in _USES else answer
    for place, other in enumerate(found):
        if place != index and field and other.field == field:
            found[place] = replace(other, use="own", field="", reason="another column is that field")
            click.echo(f"{one_line(other.column, 40)} becomes a field of your own.", err=True)
    found[index] = replace(guess, use=use, field=field, confidence=1.0, reason="as you said")  # type: ignore[arg-type]
    return with_own_names(found)


def _confirmed(guess: Guess) -> Guess:
    """A guess that is not sure enough, as it is agreed on."""
    if guess.taken:
        return guess
    question = f"{one_line(guess.column, 40)}: take it for {guess.field or guess.use} ({guess.confidence:.0%})?"
    if click.confirm(question, default=False, err=True):
        return replace(guess, confidence=1.0, reason="as you said")
    return replace(guess, use="own", field="", confidence=1.0, reason="as you said")


def _aimed(rows: Sequence[Row], index: int, catalog: SavedCatalog | None) -> list[Row]:
    """The rows with the target of one changed as somebody says; another row with that target loses it."""
    found, row = list(rows), rows[index]
    while True:
        answer = ask_text(f"{one_line(row.name, 40)}: field of the vendor (-: none)?", row.target or "-")
        if answer == "-":
            found[index] = replace(row, target="", confidence=0.0, reason="as you said")
            return found
        to = _field(answer, catalog)
        if isinstance(to, str):
            click.echo(to, err=True)
        elif catalog and not suits(to, row.guess.content, question=row.guess.use == "qualifier"):
            why = f"takes {to.type}" if to.writable else "cannot be written"
            click.echo(f"{to.name} {why}; the column holds {row.guess.content.kind}.", err=True)
        else:
            break
    for place, other in enumerate(found):
        if place != index and other.target == to.name:
            found[place] = replace(other, target="", confidence=0.0, reason="another row goes there")
            click.echo(f"{one_line(other.name, 40)} goes nowhere now.", err=True)
    found[index] = aimed(replace(row, confidence=1.0, reason="as you said"), to)
    return found


def _field(answer: str, catalog: SavedCatalog | None) -> Field | str:
    """The field of this name or label, or what to say where there is none."""
    if catalog is None:
        return Field(answer)
    named = [field for field in catalog.fields if field.name == answer]
    named = named or [field for field in catalog.fields if fold(answer) in (fold(field.name), fold(field.label))]
    if named:
        return named[0]
    names = [field.name for field in catalog.fields]
    return f"There is no field {answer!r}. {suggestion(answer, names) or 'See `engine fields`.'}"


def _use(guess: Guess) -> str:
    if guess.use == "field":
        return f"[bold]{escape(guess.field)}[/bold]"
    return {"qualifier": "qualifier", "own": f"own: {escape(guess.field)}", "out": "[dim]left out[/dim]"}[guess.use]


def _sure(confidence: float, taken: bool) -> str:
    if not taken:
        return f"[red]{confidence:.0%}[/red]" if confidence else ""
    return f"[green]{confidence:.0%}[/green]" if confidence >= SURE else f"[yellow]{confidence:.0%}[/yellow]"


def _examples(content: Content) -> str:
    """A few values, shortened: enough to know the column by."""
    return ", ".join(one_line(value, 16) for value in content.examples[:2])


def _cell(text: str, most: int) -> str:
    return escape(one_line(text, most))
