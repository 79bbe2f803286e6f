"""engine enrich: what a run would buy, what the providers gave for what they cost, and leads enriched again."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from engine import plugins as plugin_loader
from engine import specs
from engine.cli.common import (
    chosen,
    console,
    counted,
    credited,
    existing_store,
    integration_option,
    json_option,
    money,
    print_json,
    state_option,
    table,
)
from engine.cli.operate import record, run_again
from engine.cli.selection import confirm, selection_options
from engine.errors import SpecError
from engine.selection import Selection, selected
from engine.stages import reconcile as reconciling

if TYPE_CHECKING:
    from engine.estimate import Estimate, Row
    from engine.state.provider_stats import Figures, ProviderFigures, Suggestion


@click.group()
def enrich() -> None:
    """See what enrichment will cost at most, what each provider gave for what it cost, and enrich leads again."""


@enrich.command()
@click.argument("integration", type=click.Path(path_type=Path))
@click.argument("source", required=False)
@state_option
@json_option
def plan(integration: Path, source: str | None, state: Path, as_json: bool) -> None:
    """Show what a run of INTEGRATION would buy at most, without a call and without a write.

    SOURCE is a file, or - for standard input; without it, the spec's own. What the state's ledger knows already is
    free. Every other question counts as asked, whoever might have answered before; budgets are kept. Further calls
    become possible only where something is found first.
    """
    from engine.estimate import estimate

    found = estimate(specs.load(integration), plugin_loader.load(), state, source)
    if as_json:
        print_json(found.as_json())
        return
    out = console()
    out.print(f"[bold]{escape(found.integration)}[/bold]  {counted(found.rows_read, 'row')} read,"
              f" {counted(found.leads, 'lead')} to enrich")  # fmt: skip
    if not found.steps:
        click.echo("no step of the waterfall makes calls")
        return
    made = table("step", "#leads", "#known already", "#calls at most", "#further", "#credits", "#cost at most",
                 "#expected")  # fmt: skip
    for row in found.steps:
        made.add_row(_step(row), str(row.leads), str(row.known), str(row.calls), str(row.further),
                     _with_further(row.credits, row.further_credits), _cost(row), _expected(row))  # fmt: skip
    out.print(made)
    click.echo(_in_all(found))
    for row in found.steps:
        if row.further:
            click.echo(f"note: {row.step}: up to {row.further} more if {' or '.join(row.if_found)} is found")
        if row.capped:
            click.echo(f"note: {row.step}: {row.capped}")
    for note in found.notes:
        click.echo(f"note: {note}")


def _in_all(found: Estimate) -> str:
    more = f", and up to {found.further} more" if found.further else ""
    spent = " and ".join(money(amount, currency) for currency, amount in sorted(found.money.items()))
    return f"in all at most {counted(found.calls, 'call')}{more}" + (f": {spent}" if spent else "")


def _step(row: Row) -> str:
    return escape(row.step if row.step == row.provider else f"{row.step} ({row.provider})")


def _with_further(sure: float, further: float) -> str:
    return f"{sure:,.10g}" + (f" + {further:,.10g}" if further else "")


def _cost(row: Row) -> str:
    if row.amount is None:
        return "no price"
    further = f" + {money(row.further_amount, row.currency)}" if row.further_amount else ""
    return money(row.amount, row.currency) + further


def _expected(row: Row) -> str:
    if row.expected_calls is None:
        return ""
    calls = f"{row.expected_calls:,.0f} calls"
    return calls if row.expected_amount is None else f"{calls}, {money(row.expected_amount, row.currency)}"


@enrich.command()
@click.option("--run", "run_id", help="The figures of this run alone.")
@click.option("--all-runs", is_flag=True, help="Those of all runs, which is the default.")
@click.option("--integration", help="Of this integration's runs alone.")
@state_option
@json_option
def stats(run_id: str | None, all_runs: bool, integration: str | None, state: Path, as_json: bool) -> None:
    """Show what each provider was asked, knew and cost, which fields it won, and whether another order is cheaper."""
    if run_id and all_runs:
        raise click.UsageError("either --run or --all-runs")
    with existing_store(state) as store:
        if integration:
            chosen(store, integration)
        if run_id:
            try:
                store.runs.get(run_id)
            except KeyError as error:
                raise SpecError(f"there is no run {run_id!r} on this state") from error
        figures = store.provider_stats.figures(run_id, integration)
    if as_json:
        print_json(_json(figures, run_id, integration))
        return
    if not figures.providers:
        click.echo("no provider has been asked")
        return
    _print_stats(figures)


def _json(figures: Figures, run: str | None, integration: str | None) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "run": run,
        "integration": integration,
        "providers": [
            {**asdict(each), "answered": each.answered, "hit_share": each.hit_share} for each in figures.providers
        ],
        "suggestions": [{**asdict(each), "saving": each.saving} for each in figures.suggestions],
    }


def _print_stats(figures: Figures) -> None:
    out = console()
    made = table("provider", "#asked", "#hits", "#misses", "#rejected", "#errors", "#possibly charged", "#pending",
                 "#hit share", "#median s", "#95 % s", "#credits", "#cost")  # fmt: skip
    for each in figures.providers:
        share = "" if each.hit_share is None else f"{each.hit_share:.0%}"
        made.add_row(
            escape(each.provider), str(each.asked), str(each.hits), str(each.misses + each.suppressed),
            str(each.rejected), str(each.errors), str(each.unanswered), str(each.pending), share,
            _seconds(each.median), _seconds(each.slow), f"{each.cost:,.10g}",
            money(each.amount, each.currency) if each.currency else "no price",
        )  # fmt: skip
    out.print(made)
    won = table("provider", "field", "#values", "#credits a value", "#cost a value")
    for each in figures.providers:
        for name, field in sorted(each.fields.items(), key=lambda item: -item[1].values):
            per_value = money(field.amount / field.values, each.currency) if each.currency else ""
            won.add_row(escape(each.provider), escape(name), str(field.values), f"{field.cost / field.values:,.3g}",
                        per_value)  # fmt: skip
    if won.row_count:
        out.print(won)
    for each in figures.providers:
        for line in _remarks(each):
            click.echo(f"{each.provider}: {line}")
    for suggestion in figures.suggestions:
        click.echo(_suggested(suggestion))


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _remarks(each: ProviderFigures) -> list[str]:
    lines = []
    if each.possible:
        lines.append(f"calls without an answer may have cost {money(each.possible, each.currency)} more")
    if each.reused:
        saved = money(each.reused_amount, each.currency) if each.currency else credited(each.reused_cost)
        lines.append(f"{counted(each.reused, 'answer')} used again, which saved {saved}")
    if each.vain:
        lost = money(each.vain_amount, each.currency) if each.currency else credited(each.vain_cost)
        lines.append(f"{counted(each.vain, 'call')} gave nothing before another provider won the field: {lost}")
    return lines


def _suggested(suggestion: Suggestion) -> str:
    now, better = (" → ".join(order) for order in (suggestion.now, suggestion.better))
    before, after = (money(cost, suggestion.currency) for cost in suggestion.costs)
    return (
        f"a cheaper order for {suggestion.field}: {better} at {after} a lead on average,"
        f" instead of {now} at {before} ({suggestion.saving:.0%} less)\n"
        f"  enrichment: fields: {suggestion.field}: {{order: [{', '.join(suggestion.better)}]}}"
    )


#: Leads that are at the end of their way, or held: those that can be sent through the waterfall again.
_RESTING = ("failed", "frozen", "cleared")


@enrich.command()
@selection_options
@click.option("--fresh", is_flag=True, help="Buy anew what was bought before, instead of using it again.")
@click.option("--spec", type=click.Path(path_type=Path), help="The spec, where it is no longer where it was.")
@click.option("--dry-run", is_flag=True, help="Only say how many leads would be enriched again.")
@click.option("--yes", is_flag=True, help="Do not ask, however many they are.")
@integration_option
@state_option
@json_option
def again(leads: tuple[str, ...], group: str | None, event: str | None, where: str | None, fresh: bool,
          spec: Path | None, dry_run: bool, yes: bool, integration: str | None, state: Path,
          as_json: bool) -> None:  # fmt: skip
    """Send LEADS through the waterfall again, with the spec as it is now, and on to the vendor.

    LEADS are numbers, addresses or keys, or those of a --group, of an --event, or of which --where is true: failed,
    frozen or cleared ones. What was found before is looked for anew; where nothing is found it stays. What was
    captured, and what a person set or cleared, is never overwritten. Answers that were bought are used again.
    """
    meant = Selection(leads, group, event, where)
    if meant.is_all:
        raise click.UsageError("name leads, a --group, an --event or an expression")
    with existing_store(state) as store:
        name = chosen(store, integration)
        last = store.runs.last(name)
        loaded = specs.load(spec or (last.spec_path if last else ""))
        if not loaded.enrichment.steps:
            raise SpecError(f"{name} enriches nothing", where=loaded.place("enrichment"), fix="Add a step to it.")
        found = selected(store, name, meant, ("failed",) if group else _RESTING)
        if not found:
            raise SpecError(f"no lead of {name} is meant that is failed, frozen or cleared")
        if dry_run:
            if as_json:
                print_json({"schema_version": 1, "integration": name, "leads": len(found)})
            else:
                click.echo(f"{counted(len(found), 'lead')} would be enriched again; nothing was done")
            return
        confirm(len(found), "enrich again", yes=yes)

        def take_up() -> None:
            result = reconciling.enrich_again(store, loaded, found, time.time(), fresh=fresh)
            record(store, name, found, "enrich", f"{'bought anew' if fresh else 'again'}, {meant}")
            click.echo(f"enriching {counted(result.taken, 'lead')} again", err=True)
            for lead, why in result.left:
                click.echo(f"lead {lead} stays failed: {why}", err=True)

        sys.exit(run_again(store, name, take_up, as_json=as_json, spec=loaded))
