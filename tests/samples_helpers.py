"""A folder with specs and samples, and the command `engine test` in it."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.plugins import Plugins

MAPPING = """\
version: 1
fields:
  email: lead.email
  firstName: lead.first_name
  lastName: lead.last_name
  company: {value: lead.company, write: if_blank}
  title: {value: lead.job_title, empty: clear}
  eventScore: {value: lead.scans, type: integer}
qualifiers:
  Lead Type: {field: leadType, options: {Hot: A, Warm: B, Cold: C}}
programs:
  - event: Expo 2026
    program_id: 1107
    status: Registered
    status_from: {qualifier: Lead Type, options: {Hot: Engaged}}
lists:
  - {list_id: 1001, event: Expo 2026}
"""
SPEC = """\
version: 1
name: expo
source:
  use: csv
  path: leads.csv
  event: Expo 2026
  columns: {Given name: first_name, Surname: last_name, Firm: company, E-mail: email}
  qualifiers: {Lead Type: Temperature}
enrichment:
  - {use: normalize, config: {default_region: NO}}
  - use: people_data_labs
    want: [job_title]
    config: {api_key: {env: SAMPLES_NO_SUCH_KEY}, base_url: {env: SAMPLES_NO_SUCH_URL}}
destination:
  use: marketo
  config:
    base_url: {env: SAMPLES_NO_SUCH_URL}
    client_id: {env: SAMPLES_NO_SUCH_ID}
    client_secret: {env: SAMPLES_NO_SUCH_SECRET}
mapping: mapping.yaml
"""
SAMPLES = """\
version: 1
samples:
  complete:
    lead: {first_name: ADA, last_name: Quill, company: Fernhill, email: Ada@fernhill.example, job_title: Head of Pumps}
    qualifiers: {Lead Type: Hot}
  as-a-row:
    row: {Given name: Zoë, Surname: Łuczak, Firm: Gantry, E-mail: zoe@gantry.example, Temperature: Warm}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        return self.out + self.err


class Workshop:
    """Files in a folder that is the current one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text("utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def test(self, *words: object) -> Ended:
        """`engine test` with some words, in this process."""
        out, err = io.StringIO(), io.StringIO()
        code, before = 0, sys.argv
        sys.argv = ["engine", "test", *map(str, words)]
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            sys.argv = before
        return Ended(code, out.getvalue(), err.getvalue())

    def snapshots(self) -> dict[str, bytes]:
        """The content of all snapshots by their paths."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.glob("**/__samples__/**/*"))
            if path.is_file()
        }


def workshop_in(folder: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A spec with a mapping in a file of its own, and two samples. The plugins are loaded already: that takes long."""
    monkeypatch.chdir(folder)
    for name in ("engine.plugins.load", "engine.cli.load"):
        monkeypatch.setattr(name, lambda: plugins)
    made = Workshop(folder)
    made.write("expo.yaml", SPEC)
    made.write("mapping.yaml", MAPPING)
    made.write("expo.samples.yaml", SAMPLES)
    return made
