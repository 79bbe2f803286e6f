"""The worked specs against sample leads: one readable file for each, of what would be written or why it would not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from engine import check, plugins, settings, specs
from engine.adapters import Context
from engine.mapping import Compiled, Remote, compile_mapping
from engine.records import Failure, Lead

DEMO = Path(__file__).parent.parent / "specs" / "demo"

ADA = {
    "first_name": "Ada", "last_name": "Quill", "email": "ada.quill@fernhill.example", "company": "Fernhill Works",
    "job_title": "Head of Pumps", "phone": "+4790000001", "country": "Norway", "event": "Expo 2026", "badge_id": "1e5",
}  # fmt: skip
SAMPLES: dict[str, Lead] = {
    "complete": Lead(
        1,
        "email:ada",
        {**ADA, "notes": 'said "call me",\nthen left'},
        {"Lead Type": "Hot", "Follow up": "Yes", "Interests": ["Pumps", "Valves"]},
        {"Expo 2026": 2, "Summit 2026": 1},
    ),
    "sparse": Lead(2, "name:bo", {"first_name": "Bo", "last_name": "Reed", "company": "Gantry"}, {}, {"": 1}),
    "returning": Lead(
        3,
        "id:77",
        {**ADA, "event": "Summit 2026"},
        {"Lead Type": "Cold", "Follow up": "Maybe"},
        {"Summit 2026": 3},
        remote_id="77",
    ),
    "unmapped-answer": Lead(4, "email:cy", {**ADA, "first_name": "Cy"}, {"Lead Type": "Lukewarm"}, {"Expo 2026": 1}),
    "not-ascii": Lead(
        5,
        "email:zoe",
        {**ADA, "first_name": "Zoë", "last_name": "Łuczak 東", "country": "NO", "company": "{{ 7 * 7 }}"},
        {"Lead Type": "Warm"},
        {"Expo 2026": 1},
    ),
    "overlong": Lead(6, "email:di", {**ADA, "company": "x" * 300, "job_title": "y" * 300}, {}, {"Expo 2026": 1}),
    "no-address": Lead(7, "name:ed", {**ADA, "email": "not an address"}, {"Follow up": "No"}, {"Expo 2026": 1}),
}


@pytest.fixture(scope="module")
def mapping_of() -> Iterator[Callable[[str], Compiled]]:
    """Compile a worked spec against the field list and programs of its vendor's sandbox."""
    loaded = plugins.load()
    made: dict[str, Compiled] = {}

    def compile_spec(name: str) -> Compiled:
        if name not in made:
            spec = specs.load(DEMO / f"{name}.yaml")
            adapter = loaded.vendor(spec.destination.use)
            with adapter.sandbox() as sandbox:
                config = settings.resolve(
                    spec.destination.config, adapter.secrets, DEMO, where="destination", environ=sandbox.environment()
                )
                vendor = plugins.build(adapter, config, Context())
                vendor.connect()
                ids = [row.program_id for row in spec.mapping.programs]
                programs = vendor.programs(ids) if ids else None
                names = check.names_of(spec, loaded)
                made[name] = compile_mapping(spec.mapping, names, Remote(vendor.fields(), programs=programs))
                vendor.close()
        return made[name]

    yield compile_spec


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("spec", ["marketo", "pardot"])
def test_worked_spec(
    spec: str, sample: str, mapping_of: Callable[[str], Compiled], snapshot: SnapshotAssertion
) -> None:
    found = mapping_of(spec).apply(SAMPLES[sample])
    shown: dict[str, Any] = {type(found).__name__.lower(): asdict(found)}
    if isinstance(found, Failure):
        shown["failure"].update(owner=found.owner, retryable=found.retryable)
    assert shown == snapshot.use_extension(JSONSnapshotExtension)


def test_the_worked_specs_fit_their_vendors(mapping_of: Callable[[str], Compiled]) -> None:
    assert [mapping_of(name).broken for name in ("marketo", "pardot")] == [[], []]
