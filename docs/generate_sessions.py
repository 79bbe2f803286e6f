"""The parts of the documentation that show the worked example of a provider file: files, and what commands print."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from functools import cache, partial
from pathlib import Path

import click
from engine_enrichers.sandbox import ProviderSandbox
from engine_marketo.sandbox import MarketoSandbox

from engine.cli import build_cli

FOLDER = Path(__file__).parents[1] / "specs/enrichment"
#: The files that are shown whole, by the name of their part.
FILES = {
    "acme-file": "providers/acme_leads.yaml",
    "acme-recording": "recordings/acme_leads.yaml",
    "acme-lead": "lead.yaml",
    "acme-test": "test_acme_leads.py",
    "acme-sandbox": "sandbox.py",
    "acme-spec": "expo.yaml",
}
#: The commands whose output is shown, by the name of their part; they are run in this order in one folder.
SESSIONS: Mapping[str, str] = {
    "acme-check": "engine provider check providers/acme_leads.yaml",
    "acme-try": "engine provider try providers/acme_leads.yaml --lead lead.yaml --want email,job_title",
    "acme-hit": "engine provider try providers/acme_leads.yaml --lead lead.yaml --case hit",
    "acme-other": "engine provider try providers/acme_leads.yaml --lead lead.yaml --want job_title --case other_person",
    "acme-send": "engine provider try providers/acme_leads.yaml --lead lead.yaml --want email,job_title --send"
    " --set base_url=http://127.0.0.1:8800/acme_leads",
    "acme-spec-check": "engine check expo.yaml",
    "acme-plan": "engine enrich plan expo.yaml",
    "acme-run": "engine run expo.yaml",
    "acme-stats": "engine enrich stats",
    "acme-explain": "engine explain ada.quillfeather@brightloom.example",
}
_PORT = 8800
#: What differs from run to run, and what is shown for it.
_PASSING = (
    (re.compile(r"\b20\d\d-\d\d-\d\d(T|\s+)\d\d:\d\d:\d\d"), r"2026-05-12\g<1>09:30:00"),
    (re.compile(r"\b20\d{6}-\d{6}-\d+"), "20260512-093000-1"),
    (re.compile(r"\bdone in [\d.]+ s"), "done in 0.4 s"),
    (re.compile(r"\b(first|last) 20\d\d-\d\d-\d\d \d\d:\d\d"), r"\1 2026-05-12 09:30"),
)
#: How long answers took, behind a share of hits.
_SECONDS = re.compile(r"(?<=%)( +[\d.]+)( +[\d.]+)")


def file_part(name: str) -> Iterator[str]:
    """A file of the example."""
    text = (FOLDER / FILES[name]).read_text("utf-8").rstrip()
    kind = {".py": "python", ".yaml": "yaml"}[Path(FILES[name]).suffix]
    # The kind of a spec stands in its first line, so that it is known to be one.
    yield from (f"```{kind}", *(["# integration"] if name == "acme-spec" else [f"# {FILES[name]}"]), text, "```")


def session_part(name: str) -> Iterator[str]:
    """A command of the example and what it prints."""
    yield from ("```sh", SESSIONS[name], "```", "", "```text", outputs()[name], "```")


@cache
def outputs() -> Mapping[str, str]:
    """What each command prints, against sandboxes on this machine."""
    before = dict(os.environ)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "acme"
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__", ".engine"))
        provider = stack.enter_context(ProviderSandbox(files=[folder / FILES["acme-file"]]))
        marketo = stack.enter_context(MarketoSandbox())
        stack.enter_context(chdir(folder))
        stack.callback(os.environ.update, before)
        stack.callback(os.environ.clear)  # the last of these is done first
        os.environ.pop("ENGINE_STATE", None)
        os.environ.update({**provider.environment(), **marketo.environment(), "COLUMNS": "110"})
        cli, port = build_cli(), str(provider.port)
        return {
            name: _engine(cli, command.replace(str(_PORT), port)).replace(port, str(_PORT))
            for name, command in SESSIONS.items()
        }


def _engine(cli: click.Group, line: str) -> str:
    """What a command prints, on both of its streams; what differs from run to run is made the same."""
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            cli(shlex.split(line, comments=True)[1:], prog_name="engine", standalone_mode=False)
    except SystemExit:
        pass  # some leads failed, which is shown
    text = "\n".join(line.rstrip() for line in said.getvalue().splitlines())
    for pattern, shown in _PASSING:
        text = pattern.sub(shown, text)
    text = _SECONDS.sub(lambda found: "0.31".rjust(len(found[1])) + "0.84".rjust(len(found[2])), text)
    return text.strip("\n")


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {
    **{name: partial(file_part, name) for name in FILES},
    **{name: partial(session_part, name) for name in SESSIONS},
}
