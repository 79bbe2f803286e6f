"""The way of each value of a lead, as `engine explain LEAD` shows it."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from engine import check, specs
from engine import plugins as plugin_loader
from engine.cli.common import chosen, console, counted, existing_store, priced, print_json, printable, say, table
from engine.errors import EngineError
from engine.expressions import Names
from engine.provenance import unexplained, ways
from engine.redaction import without_secrets
from engine.specs import Integration
from engine.state import Store

_INDENT = 19


def explain_lead(word: str, state: Path, integration: str | None, *, as_json: bool) -> bool:
    """Show the way of every value of the leads that `word` means; False where there is none. Raises SpecError."""
    with existing_store(state) as store:
        if integration is None and store.runs.last() is None:
            return False
        name = chosen(store, integration)
        stories = [story for id in store.reports.find(name, word) if (story := store.reports.lead(id))]
        if not stories:
            return False
        spec, names = _spec(store, name)
        leads = []
        for story in stories:
            calls = store.provider_stats.calls(
                [each["call"] for each in (*story["values"], *story["rejected"], *story["steps"]) if each["call"]]
            )
            steps = [{**step, "call": calls.get(step["call"])} for step in story["steps"]]
            found = ways(story, calls, spec, names)
            leads.append(_lead(story, found, steps))
        if as_json:
            print_json({"schema_version": 1, "integration": name, "leads": leads})
        else:
            for lead in leads:
                _print(lead, known=spec is not None)
    return True


def _lead(story: Mapping[str, Any], found: Sequence[Mapping[str, Any]], steps: Sequence[Any]) -> dict[str, Any]:
    last = story["deliveries"][-1]["delivery"] if story["deliveries"] else None
    return {
        "lead": story["lead"],
        "key": story["key"],
        "status": story["status"],
        "fields": found,
        "steps": steps,
        "delivery": last,
        "others": unexplained(story, found),
        "answers": [outcome for outcome in story["outcomes"] if outcome["delivery"] == last],
        "failures": [failure for failure in story["failures"] if not failure["resolved_at"]],
    }


def _spec(store: Store, integration: str) -> tuple[Integration | None, Names | None]:
    """The spec of the last run and what its expressions may name; None where it cannot be read any more."""
    last = store.runs.last(integration)
    try:
        spec = specs.load(last.spec_path if last else "")
        return spec, check.names_of(spec, plugin_loader.load())
    except EngineError:
        return None, None


# In the terminal ----------------------------------------------------------------------------------------------------


def _print(lead: Mapping[str, Any], *, known: bool) -> None:
    console().print(f"[bold]lead {lead['lead']}[/bold]  {escape(printable(lead['key']))}  {lead['status']}")
    for way in lead["fields"]:
        value = "(empty)" if way["value"] in (None, "") else str(way["value"])
        _line(way["field"], value, indent=0)
        for name, text in _lines(way):
            _line(name, text)
    if lead["others"]:
        why = "" if known else "  (the spec cannot be read any more: what they were made of is not known)"
        click.echo(f"other fields of the vendor{why}")
        for name, value in lead["others"].items():
            _line(name, "(emptied)" if value is None else str(value))
    if lead["steps"]:
        made = table("#step", "provider", "outcome", "#credits", "#call", "detail")
        for step in lead["steps"]:
            made.add_row(str(step["step"] + 1), escape(step["provider"]), step["outcome"], f"{step['cost']:g}",
                         _called(step), escape(printable(without_secrets(step["detail"]))))  # fmt: skip
        out = console()
        out.width = _width()
        out.print(made)
    for answer in lead["answers"]:
        remote = f", record {answer['remote_id']}" if answer["remote_id"] else ""
        by = f" by {answer['matched_by']}" if answer["matched_by"] else ""
        said = f": {answer['answer']}" if answer["answer"] else ""
        _line("answered", f"{_when(answer['at'])}  {answer['what']} {answer['status']}{by}{remote}{said}", indent=0)
    for failure in lead["failures"]:
        _line("failed", f"{_when(failure['at'])}  in {failure['stage']}: {failure['code']}: {failure['message']}",
              indent=0)  # fmt: skip
    click.echo()


def _lines(way: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is said below a field: from the captured cell to the vendor's field, one step of its way a line."""
    for cell in way["captured"]:
        yield "captured", f"{cell['source']}:{cell['line']}, column {cell['column']}: {cell['raw']!r}"
    for change in way["normalised"]:
        yield "normalised", f"by {change['by']}: {change['from']!r} became {change['to']!r}"
    for found in way["found"]:
        yield "found", _found(found, way["value"])
    for rejected in way["rejected"]:
        sure = f"confidence {rejected['confidence']:.2f}"
        yield "rejected", f"{rejected['value']!r} of {rejected['provider']} ({sure}): {rejected['reason']}"
    for edit in way["edits"]:
        done = f"set to {edit['value']!r}" if edit["value"] else "cleared"
        yield "edited", f"{done} by {edit['by']}, {_when(edit['at'])}"
    for target in way["vendor"]:
        how = {"if_blank": ", only where it is empty", "on_create": ", only for a new record"}.get(target["write"], "")
        value = "(emptied)" if target["value"] is None else repr(target["value"])
        yield "to the vendor", f"{target['field']} = {value}{how}"


def _found(found: Mapping[str, Any], value: Any) -> str:
    parts = [f"by {found['provider']}", f"confidence {found['confidence']:.2f}"]
    if found["status"]:
        parts.append(found["status"] + (f" as {found['verifier']} says" if found["verifier"] else ""))
    if found["path"]:
        parts.append(f"at {found['path']} of the answer")
    parts.append(_when(found["at"]))
    text = ", ".join(parts)
    if found["value"] != value:
        text = f"{found['value']!r} {text}; not used any more"
    return text + (f"; {_bought(found['call'])}" if found["call"] else "")


def _bought(call: Mapping[str, Any]) -> str:
    """A call of the ledger: what it cost, for whom it was made, and who used its answer besides."""
    text = f"call {call['call']}, {priced(call['cost'], call['amount'], call['currency'])}"
    if call["state"] != "answered":
        text += f", {call['state']}"
    if call["leads"] > 1:
        text += f", bought for lead {call['lead']} and used for {counted(call['leads'], 'lead')}"
    return text


def _called(step: Mapping[str, Any]) -> str:
    if not step["call"]:
        return ""
    return f"{step['call']['call']}" + (" again" if step["known"] else "")


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _width() -> int:
    return max(60, min(100, shutil.get_terminal_size((100, 24)).columns))


def _line(name: str, text: str, *, indent: int = 2) -> None:
    """A name and a text behind it, folded to the terminal's width, 100 at most."""
    head = f"{' ' * indent}{name}"
    pad = " " * _INDENT
    lines = textwrap.wrap(
        without_secrets(text), _width() - _INDENT, break_long_words=True, break_on_hyphens=False
    ) or [""]  # fmt: skip
    if len(head) >= _INDENT:
        say(head)
        head = ""
    say(f"{head:<{_INDENT}}{lines[0]}")
    for more in lines[1:]:
        say(pad + more)
