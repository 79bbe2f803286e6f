"""engine reconcile fix --group CODE: propose changes of the spec that clear a group, and make the chosen one."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine import plugins as plugin_loader
from engine import specs
from engine.cli.common import counted, print_json, say, where_options
from engine.cli.operate import run_again
from engine.cli.selection import on_terminal
from engine.errors import SpecError
from engine.stages import reconcile as reconciling
from engine.state import Store

if TYPE_CHECKING:
    from engine.causes import Advice, Tried

#: Reasons for which leads would still fail that are shown.
_SHOWN = 5


def run(
    store: Store,
    integration: str,
    code: str,
    field: str | None,
    mapped: Sequence[str],
    *,
    take: int | None,
    yes: bool,
    retry: bool,
    spec: Path | None,
    by: str,
    as_json: bool,
) -> None:
    """Show what would clear a group; make one change and try its leads again, where people say so."""
    from engine import causes  # what compares texts is imported by the command that needs it

    last = store.runs.last(integration)
    loaded = specs.load(spec or (last.spec_path if last else ""))
    advised = causes.advise(causes.cases(store, loaded, plugin_loader.load(), code, field, _given(mapped)))
    offered = [(advice, each) for advice in advised for each in advice.proposals]
    if not as_json:
        _print(advised)
    number = take or (1 if yes and offered else 0)
    if not number and offered and on_terminal() and not as_json:
        question = f"make which change (1 to {len(offered)}, 0 for none)"
        number = click.prompt(question, type=click.IntRange(0, len(offered)), default=0, err=True)
    if number > len(offered):
        fix = f"There are {len(offered)}: 1 to {len(offered)}." if offered else "There are none."
        raise SpecError(f"there is no proposal {number}", where="--take", fix=fix)
    if number:
        advice, taken = offered[number - 1]
        taken.change.write()
        leads = [failed.lead.id for failed in advice.case.leads]
        places = ", ".join(".".join(map(str, step.at)) for step in taken.proposal.steps)
        detail = f"{code}: {places} in {taken.change.path}"
        store.actions.add(last.integration_id if last else None, leads, "spec", detail, by, time.time())
        click.echo(f"changed {taken.change.path}", err=True)
        if retry:
            sys.exit(_try_again(store, integration, code, leads, loaded.path, by, as_json=as_json))
    if as_json:
        print_json({"schema_version": 1, "integration": integration, "code": code, "taken": number or None,
                    "causes": _as_json(advised)})  # fmt: skip
    else:
        _print_next(store, integration, code, advised, number=number)
    if yes and not number:
        sys.exit(1)  # the leads are where they were


def _try_again(
    store: Store, integration: str, code: str, leads: Sequence[int], path: Path, by: str, *, as_json: bool
) -> int:
    """Try leads again with the spec as it is now; returns the exit code."""
    loaded, meant = specs.load(path), set(leads)
    failed = [lead for lead in store.reports.failed(integration, code) if lead["lead"] in meant]
    last = store.runs.last(integration)

    def take_up() -> None:
        result = reconciling.retry(store, loaded, failed, time.time())
        store.actions.add(last.integration_id if last else None, leads, "retry", "after the spec", by, time.time())
        click.echo(f"trying {counted(result.taken, 'lead')} again", err=True)
        for lead, why in result.left:
            click.echo(f"lead {lead} stays failed: {why}", err=True)

    return run_again(store, integration, take_up, as_json=as_json, spec=loaded)


def _given(mapped: Sequence[str]) -> dict[str, str]:
    """What people say that something is to become. The last = parts, where the old text has some of its own."""
    given: dict[str, str] = {}
    for word in mapped:
        old, sign, new = word.rpartition("=")
        if not (old and sign):
            raise click.UsageError(f"{word!r} is no OLD=NEW")
        given[old.strip()] = new.strip()
    return given


def _print(advised: Sequence[Advice]) -> None:
    number = 0
    for advice in advised:
        case = advice.case
        about = f" ({case.field})" if case.field else ""
        say(f"{case.code}{about}: {counted(len(case.leads), 'lead')}, e.g. {case.leads[0].message}")
        if advice.already:
            say(f"  {advice.already} of them would pass with the spec as it is: retry them")
        for each in advice.proposals:
            number += 1
            _print_proposal(number, each, len(case.leads))
        for why in advice.left:
            say(f"  not proposed: {why}")
        for hint in advice.hints:
            say(f"  {hint}")
        say("")


def _print_proposal(number: int, each: Tried, leads: int) -> None:
    say(f"\n  {number}. {each.proposal.what}")
    say(f"     clears {each.clears} of {counted(leads, 'lead')}")
    for (code, message), count in sorted(each.still.items(), key=lambda item: -item[1])[:_SHOWN]:
        say(f"     {count} would still fail: {code}: {message}")
    if each.proposal.unclear:
        shown = ", ".join(repr(value[:60]) for value in each.proposal.unclear[:_SHOWN])
        more = len(each.proposal.unclear) - _SHOWN
        say(f"     no guess for {shown}{f' and {more} more' if more > 0 else ''}: say --map OLD=NEW")
    say("")
    for line in each.change.diff.splitlines():
        say(f"     {line}")
    say("")


def _print_next(store: Store, integration: str, code: str, advised: Sequence[Advice], *, number: int) -> None:
    where = where_options(store, integration)
    retry = f"next:\n  engine reconcile retry{where} --group {code}    # with the spec as it is now"
    if number:
        say(retry)
    elif any(advice.proposals for advice in advised):
        say("nothing was changed; next:")
        say(f"  engine reconcile fix{where} --group {code} --take 1    # make change 1 and try the group again")
    elif any(advice.already for advice in advised):
        say(retry)


def _as_json(advised: Sequence[Advice]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    number = 0
    for advice in advised:
        proposals: list[Mapping[str, Any]] = []
        for each in advice.proposals:
            number += 1
            still = [{"code": code, "message": message, "leads": count}
                     for (code, message), count in each.still.items()]  # fmt: skip
            proposals.append({"number": number, "what": each.proposal.what, "clears": each.clears, "still": still,
                              "unclear": list(each.proposal.unclear), "file": str(each.change.path),
                              "diff": each.change.diff})  # fmt: skip
        made.append({"field": advice.case.field, "leads": len(advice.case.leads), "already": advice.already,
                     "proposals": proposals, "not_proposed": advice.left, "hints": advice.hints})  # fmt: skip
    return made
