"""What is said of a sample is what a run does with such a lead: the demo's samples, and any others."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_enrichers.sandbox import ProviderSandbox
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import plugins as plugin_loader
from engine import saved_catalog, specs
from engine.connection import opened
from engine.plugins import Plugins
from engine.records import LEAD_FIELDS, Failure, Membership, Notice, Write
from engine.run import Run
from engine.sample_files import Library, Suite
from engine.samples import Sample
from engine.snapshots import content, difference, file_name, is_snapshot
from engine.state import Store
from engine.trial import Bench, Trial

SPECS = Path(__file__).parent.parent / "specs"
WORKED = ("demo/marketo", "demo/pardot", "marketo/tradeshow", "pardot/tradeshow", "enrichment/expo")


@pytest.fixture(scope="module")
def loaded() -> Plugins:
    return plugin_loader.load()


@pytest.fixture(scope="module")
def boxes(loaded: Plugins) -> Iterator[dict[str, Any]]:
    """The sandboxes of both vendors, and of providers that know nobody."""
    with ExitStack() as stack:
        made = {name: stack.enter_context(loaded.vendor(name).sandbox()) for name in ("marketo", "pardot")}
        yield made | {"providers": stack.enter_context(ProviderSandbox())}


def rows_of(suite: Suite) -> list[dict[str, str]]:
    """The samples of a demo spec as rows of the scanner's export, one a scan."""
    assert suite.spec is not None
    column = {name: each for each, name in suite.spec.source.columns.items()} | {"remote_id": "Marketo ID"}
    answers = suite.spec.source.qualifiers
    rows = []
    for case in suite.cases:
        sample = case.sample
        if sample.row is not None:
            rows.append(dict(sample.row))
            continue
        assert sample.lead is not None
        row = {column[name]: value for name, value in sample.lead.items()}
        for name, answer in sample.qualifiers.items():
            row[answers[name].column] = answer if isinstance(answer, str) else "; ".join(answer)
        events = sample.events or {sample.lead.get("event", ""): 1}
        rows += [{**row, "Show": event} for event, scans in events.items() for _ in range(scans)]
    return rows


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_a_snapshot_says_what_a_run_makes_of_the_lead(
    vendor: str, boxes: Mapping[str, Any], loaded: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Any
) -> None:
    suite = Library(loaded).suite(SPECS / f"demo/{vendor}.yaml")
    assert suite.spec is not None and not suite.findings
    rows = rows_of(suite)
    with (tmp_path / "scans.csv").open("w", encoding="utf-8", newline="") as file:
        columns = [*suite.spec.source.columns, *(row.column for row in suite.spec.source.qualifiers.values())]
        writer = csv.DictWriter(file, [*columns, "Marketo ID"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    for name, value in (boxes[vendor].environment() | boxes["providers"].environment()).items():
        monkeypatch.setenv(name, value)
    held = replace(suite.spec, destination=replace(suite.spec.destination, sync_mode="manual"))
    bench.clock.sandboxes += boxes.values()
    with Store(bench.state) as store:
        Run(held, store, loaded, path=str(tmp_path / "scans.csv"), now=bench.clock.now, stop=bench.clock).go()
    payloads = {id: json.loads(payload) for id, payload in bench.sql("SELECT lead_id, payload FROM deliveries")}
    failures = {id: rest for id, *rest in bench.sql("SELECT lead_id, code, message, field FROM failures")}
    assert bench.sql("SELECT count(*) FROM leads") == [(len(suite.cases),)]
    assert bench.sql("SELECT count(*) FROM paid_calls") > [(0,)], "nobody was asked"
    for lead_id, case in enumerate(suite.cases, start=1):
        recorded = json.loads(suite.snapshot(case).read_bytes())
        if failure := recorded.get("failure"):
            assert failures[lead_id] == [failure["code"], failure["message"], failure.get("field", "")], case
            continue
        payload = payloads[lead_id]
        for bag in ("fields", "if_blank", "on_create"):
            assert payload.get(bag, {}) == recorded.get(bag, {}), case
        assert [[key.pop("by"), key.pop("value"), *([key] if key else [])] for key in recorded["keys"]] == payload[
            "keys"
        ]
        places = [[place["id"], place["status"]] for place in recorded.get("programs", [])]
        assert payload.get("memberships", []) == places, case
        replaced = bench.sql("SELECT field, replaced, value FROM enriched_values WHERE lead_id = ? AND replaced IS NOT"
                             " NULL", lead_id)  # fmt: skip
        changed = {name: (row["before"], row["after"]) for name, row in recorded.get("normalized", {}).items()}
        assert {name: (json.loads(old), json.loads(new)) for name, old, new in replaced} == changed


@pytest.mark.parametrize("name", WORKED)
def test_the_saved_catalog_of_a_worked_spec_is_what_its_vendor_has(
    name: str, boxes: Mapping[str, Any], loaded: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = specs.load(SPECS / f"{name}.yaml")
    kept = saved_catalog.load(spec.folder / spec.destination.catalog)
    for variable, value in boxes[kept.vendor].environment().items():
        monkeypatch.setenv(variable, value)
    with opened(spec, loaded, tmp_path / "none.db") as connection:
        seen = connection.catalog(spec.mapping)
    assert sorted(seen.fields, key=str) == sorted(kept.fields, key=str)
    assert (seen.programs, seen.lists) == (kept.programs, kept.lists)


def test_everything_of_a_write_stands_in_its_snapshot_in_one_order() -> None:
    places = (Membership("9", "Engaged", {"seat": 4, "diet": "none"}), Membership("1001", kind="list"),
              Membership("12", "Member"))  # fmt: skip
    notices = (Notice("VALUE_TRUNCATED", "title: cut from 300 to 255 characters", "title"),)
    write = Write({"title": None, "company": "Łuczak"}, {"phone": "1"}, places, notices, {"source": "Expo"})
    keys = [["lead_id", "7", {"action": "update_only"}], ["email", "a@b.example"]]
    trial = Trial(write, keys, {"phone": ("01", "1")}, {"city": "Oslo"}, ["names: <object at 0x7f00aa55bb66> broke"])
    made = content(trial).decode()
    assert list(json.loads(made)) == ["fields", "if_blank", "on_create", "programs", "lists", "keys", "notices",
                                      "normalized", "filled", "broken"]  # fmt: skip
    assert made.startswith('{\n  "fields": {\n    "company": "Łuczak",\n    "title": null\n  },\n')
    assert json.loads(made)["programs"] == [
        {"id": "12", "status": "Member"}, {"id": "9", "status": "Engaged", "fields": {"diet": "none", "seat": 4}},
    ]  # fmt: skip
    assert json.loads(made)["keys"][0] == {"by": "lead_id", "value": "7", "action": "update_only"}
    assert json.loads(made)["broken"] == ["names: <object at 0x…> broke"]


@pytest.mark.parametrize(
    ("sample", "file"),
    [("a hot lead", "a-hot-lead"), ("no. 1.", "no.-1"), ("CON", "CON-"), ("lpt1.old", "lpt1.old-"), ("?", "sample")],
)
def test_the_file_of_a_snapshot_has_a_name_that_every_machine_takes(sample: str, file: str) -> None:
    assert file_name(sample) == file


# Any lead ---------------------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=30) | st.sampled_from(["Hot", "Norway", "a@b.example", "+47 900 00 001", "{{ 1 }}", "\ud800"])
SAMPLES = st.builds(
    Sample,
    name=st.just("any"),
    lead=st.dictionaries(st.sampled_from(LEAD_FIELDS), TEXTS, max_size=12).map(
        lambda lead: {"first_name": "Ada", "last_name": "Quill", "company": "Fernhill", **lead}
    ),
    qualifiers=st.dictionaries(
        st.sampled_from(["Lead Type", "Follow up", "Interests"]), TEXTS | st.lists(TEXTS, max_size=3), max_size=3
    ),
    events=st.none() | st.dictionaries(TEXTS, st.integers(1, 9), min_size=1, max_size=3),
)
ROWS = st.builds(
    Sample,
    name=st.just("any"),
    row=st.dictionaries(
        st.sampled_from(["First Name", "Last Name", "Company", "E-mail", "Show", "Zip"]) | TEXTS, TEXTS
    ),
)


@pytest.fixture(scope="module")
def trials(loaded: Plugins) -> dict[str, Bench]:
    return {vendor: Bench(specs.load(SPECS / f"demo/{vendor}.yaml"), loaded) for vendor in ("marketo", "pardot")}


@given(sample=SAMPLES | ROWS, vendor=st.sampled_from(["marketo", "pardot"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lead_is_written_or_fails_and_its_snapshot_holds_it(
    sample: Sample, vendor: str, trials: dict[str, Bench]
) -> None:
    trial = trials[vendor].try_out(sample)
    made = content(trial)
    assert made == content(trials[vendor].try_out(sample))
    assert is_snapshot(made)
    kept = json.loads(made)
    if isinstance(trial.outcome, Failure):
        assert kept["failure"]["code"] == trial.outcome.code
    else:
        assert kept["fields"] == trial.outcome.fields
        assert [key["value"] for key in kept["keys"]] == [key[1] for key in trial.keys]
    assert difference(made, made) == ["the recorded snapshot says the same, and is written in another form"]
    assert not [line for line in difference(b"{}", made) if not line.startswith("+ ")]
