"""A folder in which the commands of the documentation can be typed: specs, exports, sandboxes, and a state with leads.

Whatever name a page uses for a file is a file here; there is a failed lead for every code.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from engine_enrichers.sandbox import ProviderSandbox
from engine_marketo.sandbox import MarketoSandbox
from engine_pardot.sandbox import PardotSandbox

from engine import plugins, saved_catalog, specs
from engine.codes import CODES
from engine.records import Failure, Field
from engine.run import Run
from engine.saved_catalog import SavedCatalog
from engine.state import Store
from engine.state.moves import Mapped
from tests.chat import Chat

ROOT = Path(__file__).resolve().parents[1]
STATE = Path(".engine/state.db")
#: The people of the pages; the others are invented by number. Lead 17 has failed.
NAMED = ("ada@example.com", "ada.quill@fernhill.example", "ada.quillfeather@brightloom.example")
_PEOPLE = 40
_CONFIG = ", ".join(f"{key}: {{env: MARKETO_{key.upper()}}}" for key in ("base_url", "client_id", "client_secret"))

EXPO = f"""\
version: 1
name: expo
source:
  use: csv
  path: leads.csv
  event: Expo 2026
  qualifiers: {{Lead Type: Type}}
enrichment:
  - use: normalize
  - use: people_data_labs
    want: [job_title]
    budget: {{calls: 20}}
    config: {{base_url: {{env: PDL_BASE_URL}}, api_key: {{env: PDL_API_KEY}}}}
destination:
  use: marketo
  config: {{{_CONFIG}}}
mapping:
  fields:
    email: lead.email
    firstName: lead.first_name
    lastName: lead.last_name
    company: {{value: lead.company, write: if_blank}}
    title: {{value: lead.job_title, too_long: truncate}}
  qualifiers:
    Lead Type: {{field: leadType, options: {{Hot: A, Warm: B}}}}
  programs:
    - {{event: Expo 2026, program_id: 1107, status: Registered}}
notify:
  - {{name: operations, send: daily, webhook: {{url: {{env: SLACK_WEBHOOK_URL}}}}}}
"""
EMEA = f"""\
version: 1
name: expo-emea
source: {{use: csv, path: leads.csv}}
destination: {{use: marketo, config: {{{_CONFIG}}}}}
mapping: shared.mapping.yaml
"""
SHARED = "version: 1\nfields: {email: lead.email, lastName: lead.last_name}\n"
SAMPLES = """\
version: 1
samples:
  complete: {lead: {first_name: Ada, last_name: Quill, company: Fernhill, email: ada@fernhill.example}}
"""
PAIRS = """\
Badge field,Marketo field,Write,Notes
email,email,Overwrite,the key
company,company,Write if Blank,sales corrects it
"""
REGIONS = "Country,Region\nNorway,Nordics\nSweden,Nordics\nGermany,DACH\n"


class Workspace:
    """A prepared folder, of which each session gets a copy of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._held, self._ran = folder / "held", folder / "ran"
        self.environment: dict[str, str] = {"COLUMNS": "120"}
        for box in (MarketoSandbox(seed={"rate": 0}), PardotSandbox(), ProviderSandbox()):
            stack.enter_context(box)
            self.environment.update(box.environment())
        self.environment["SLACK_WEBHOOK_URL"] = stack.enter_context(Chat()).url
        marketo = {name: value for name, value in self.environment.items() if name.startswith("MARKETO_")}
        self.environment.update({name.replace("MARKETO", "EMEA"): value for name, value in marketo.items()})
        for target in (self._ran, self._held):
            self._write(target)

    def _write(self, folder: Path) -> None:
        folder.mkdir()
        held = folder == self._held
        spec = EXPO.replace("  use: marketo\n", "  use: marketo\n  sync_mode: manual\n") if held else EXPO
        files = {
            "expo.yaml": spec, "my-show.yaml": EXPO.replace("name: expo", "name: my-show"), "expo-emea.yaml": EMEA,
            "shared.mapping.yaml": SHARED, "expo.samples.yaml": SAMPLES, "pairs.csv": PAIRS, "regions.csv": REGIONS,
            "new/place/expo.yaml": spec.replace("leads.csv", "../../leads.csv"),
        }  # fmt: skip
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        with (folder / "leads.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["First Name", "Last Name", "Company", "E-mail", "Phone", "Type", "Event"])
            for number in range(_PEOPLE):
                address = NAMED[number] if number < len(NAMED) else f"guest{number}@loomworks.example"
                name = "Ada" if number < len(NAMED) else "Guest"
                rows.writerow([name, f"Quill {number}", "Loomworks", address, "", "Hot", "Expo 2026"])
        shutil.copy(ROOT / "specs/tutorial/expo-export.csv", folder)
        (folder / "my-leads.csv").write_text((folder / "leads.csv").read_text("utf-8"), "utf-8")

    def run(self, environment: Mapping[str, str], patch: pytest.MonkeyPatch) -> None:
        """Take the leads through once, in both folders, and let one lead of the first fail with each code."""
        for name, value in environment.items():
            patch.setenv(name, value)
        loaded = plugins.load()
        for folder in (self._ran, self._held):
            spec = specs.load(folder / "expo.yaml")
            with Store(folder / STATE) as store:
                summary = Run(spec, store, loaded).go()
                assert summary.status == "done", summary.message
                fields = [Field("email", "email"), Field("title", "string", "Job Title", 255)]
                catalog = SavedCatalog("marketo", "marketo:example", "2026-05-12T09:30:00+00:00", fields)
                saved_catalog.save(folder / "marketo.catalog.json", catalog)
                if folder == self._ran:
                    codes = sorted(CODES, key=lambda code: code != "DATA_VALUE_VALIDATION")
                    ids = [17, *(number for number in range(4, _PEOPLE) if number != 17)]
                    failed = [
                        Mapped(id, "failed", failure=Failure(code, "an example of the pages", field="title"))
                        for id, code in zip(ids, codes, strict=False)
                    ]
                    store.queue.save_mapped(summary.run, spec.digest, "map", failed, 1_780_000_000.0)

    def copy(self, target: Path, *, held: bool) -> Path:
        """A copy to type commands in."""
        return Path(shutil.copytree(self._held if held else self._ran, target, dirs_exist_ok=True))
