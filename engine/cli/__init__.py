"""The command line: parse, call, print. Exit codes: 0 done · 1 some leads failed · 2 spec or usage · 3 environment ·
4 credentials · 5 vendor or quota, run again later · 130 interrupted, resumable."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from engine import __version__, logs
from engine.errors import AbortRun, RunStopped
from engine.plugins import load


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="engine")
@click.option("--log-format", type=click.Choice(logs.FORMATS), envvar="ENGINE_LOG_FORMAT", metavar="FORM",
              help="The log as text, for people, or json, one object a line (also: ENGINE_LOG_FORMAT).")  # fmt: skip
@click.option("--log-level", type=click.Choice(logs.LEVELS), envvar="ENGINE_LOG_LEVEL", metavar="LEVEL",
              help="debug, info, warning (the default) or error (also: ENGINE_LOG_LEVEL).")  # fmt: skip
@click.option("--log-file", type=click.Path(dir_okay=False, path_type=Path), envvar="ENGINE_LOG_FILE", metavar="FILE",
              help="Add the log to this file, not to standard error (also: ENGINE_LOG_FILE).")  # fmt: skip
@click.pass_context
def cli(context: click.Context, log_format: str | None, log_level: str | None, log_file: Path | None) -> None:
    """Takes every captured lead to the marketing automation tool, and shows each one that failed, and why."""
    asked = bool(log_format or log_level or log_file)
    context.with_resource(logs.shown(log_format or "text", log_level or "warning", log_file, asked=asked))


def build_cli() -> click.Group:
    """The command line with the subcommands of the core and of every plugin."""
    from engine.cli import (
        author,
        check,
        connection,
        convert,
        enrich,
        erase,
        explain,
        init,
        mode,
        notify,
        operate,
        plan,
        reconcile,
        test,
        verify,
    )

    for command in (
        operate.run,
        plan.plan,
        operate.status,
        operate.release,
        mode.mode,
        notify.notify,
        reconcile.reconcile,
        verify.verify,
        erase.erase,
        enrich.enrich,
        explain.explain,
        connection.doctor,
        connection.fields,
        init.init,
        convert.convert,
        check.check,
        test.test,
        author.plugins,
        author.sandbox,
        author.schema,
        author.migrate,
        operate.demo,
    ):
        cli.add_command(command)
    plugins = load()
    for implementation in plugins.manager.hook.register_commands.get_hookimpls():
        try:
            implementation.function(cli=cli)
        except Exception as error:
            click.echo(f"warning: the plugin {implementation.plugin_name} adds no commands: {error!r}", err=True)
    return cli


def main() -> None:
    """Run the command line; every known error becomes a message on standard error and an exit code."""
    try:
        build_cli()(standalone_mode=False)
    except AbortRun as error:
        from engine.cli.common import say

        say(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt, RunStopped):
        click.echo("interrupted; the same command goes on where it stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
        sys.exit(0)
    except OSError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(3)
