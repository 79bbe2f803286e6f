"""engine test: what it shows of samples and tests, what it accepts, and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import hookimpl
from engine.adapters import Enricher
from engine.asking import EnrichAnswer
from engine.plugins import Plugins, load
from engine.sample_runs import try_paths
from tests.samples_helpers import MAPPING, SPEC, Workshop, workshop_in

ROOT = Path(__file__).parent.parent
TESTS = """\
tests:
  - name: a hot lead
    lead: {first_name: Ada, last_name: Quill, company: Fernhill, email: ada@fernhill.example}
    qualifiers: {Lead Type: Hot}
    expect:
"""


@pytest.fixture
def shop(tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return workshop_in(tmp_path, plugins, monkeypatch)


@pytest.fixture
def accepted(shop: Workshop) -> Workshop:
    assert shop.test("--update").code == 0
    return shop


# Snapshots --------------------------------------------------------------------------------------------------------


def test_what_nobody_has_accepted_fails_and_writes_nothing(shop: Workshop) -> None:
    ended = shop.test()
    assert (ended.code, shop.snapshots()) == (1, {})
    assert "new      complete" in ended.out
    assert '+ fields.leadType: "A"' in ended.out
    assert "where that is right, accept it: engine test --update" in ended.out


def test_what_was_accepted_passes_and_is_not_written_again(accepted: Workshop) -> None:
    kept = accepted.snapshots()
    ended = accepted.test()
    assert (ended.code, ended.err) == (0, "")
    assert "2 pass" in ended.out
    assert accepted.test("--update", "--json").json["written"] == []
    assert accepted.snapshots() == kept


def test_a_snapshot_reads_well(accepted: Workshop) -> None:
    kept = accepted.snapshots()
    assert list(kept) == ["__samples__/expo/as-a-row.json", "__samples__/expo/complete.json"]
    text = kept["__samples__/expo/complete.json"].decode()
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "fields": {"email": "ada@fernhill.example", "eventScore": 1, "firstName": "Ada", "lastName": "Quill",
                   "leadType": "A", "title": "Head of Pumps"},
        "if_blank": {"company": "Fernhill"},
        "programs": [{"id": "1107", "status": "Engaged"}],
        "lists": ["1001"],
        "keys": [{"by": "email", "value": "ada@fernhill.example"}],
        "normalized": {"email": {"before": "Ada@fernhill.example", "after": "ada@fernhill.example"},
                       "first_name": {"before": "ADA", "after": "Ada"}},
    }  # fmt: skip
    row = kept["__samples__/expo/as-a-row.json"].decode()
    assert '    "firstName": "Zoë",\n    "lastName": "Łuczak",\n    "leadType": "B",\n    "title": null\n' in row


def test_a_change_is_shown_field_by_field_and_can_be_accepted(accepted: Workshop) -> None:
    accepted.change("mapping.yaml", "Hot: A", "Hot: AA")
    ended = accepted.test()
    assert ended.code == 1
    lines = [line.strip() for line in ended.out.splitlines()]
    at = lines.index("changed  complete")
    assert lines[at + 1 : at + 3] == ['- fields.leadType: "A"', '+ fields.leadType: "AA"']
    assert "1 pass, 1 changed" in ended.out or "1 changed" in ended.out
    updated = accepted.test("--update")
    assert updated.code == 0
    assert "updated  complete" in updated.out
    assert accepted.test().code == 0


def test_a_lead_that_fails_is_recorded_with_who_fixes_it(shop: Workshop) -> None:
    shop.write("expo.samples.yaml", "version: 1\nsamples:\n  cold: {lead: {first_name: Bo, last_name: Reed}}\n")
    shop.test("--update")
    [kept] = shop.snapshots().values()
    assert json.loads(kept) == {
        "failure": {"code": "MISSING_REQUIRED_VALUE", "message": "no company", "field": "company",
                    "fixed_by": "you: data", "retry": "after the fix"}
    }  # fmt: skip


def test_a_snapshot_without_a_sample_is_reported_and_deleted_on_request(accepted: Workshop) -> None:
    accepted.change("expo.samples.yaml", "  as-a-row:", "  renamed:")
    ended = accepted.test()
    assert ended.code == 1
    assert "stale    __samples__/expo/as-a-row.json" in ended.out
    updated = accepted.test("--update")
    assert updated.code == 0
    assert "deleted  __samples__/expo/as-a-row.json" in updated.out
    assert list(accepted.snapshots()) == ["__samples__/expo/complete.json", "__samples__/expo/renamed.json"]


def test_the_snapshots_of_a_spec_that_is_gone_are_stale_and_those_of_other_tests_are_left_alone(
    accepted: Workshop,
) -> None:
    accepted.write("test_other.py", "")
    accepted.write("__samples__/test_other/x.json", '{"fields": {}, "keys": []}')
    accepted.write("__samples__/gone/notes.json", "{}")
    accepted.write("__samples__/gone/complete.json", '{"failure": {"code": "UNKNOWN"}}')
    ended = accepted.test("--update", "--json")
    assert ended.json["deleted"] == ["__samples__/gone/complete.json"]
    assert "__samples__/test_other/x.json" in accepted.snapshots()


def test_a_snapshot_that_is_no_json_has_changed(accepted: Workshop) -> None:
    accepted.write("__samples__/expo/complete.json", "<<<<<<< HEAD\n{}\n")
    ended = accepted.test()
    assert ended.code == 1
    assert "the recorded snapshot is no JSON" in ended.out


def test_two_samples_with_one_snapshot_are_refused_with_both_places(shop: Workshop) -> None:
    shop.change("expo.samples.yaml", "  as-a-row:", "  COMPLETE:")
    ended = shop.test()
    assert ended.code == 2
    assert "expo.samples.yaml:6:3: error: the samples 'complete' and 'COMPLETE' would have one snapshot" in ended.err
    assert "the other stands at expo.samples.yaml:3:3" in ended.err


# Tests in the spec ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("fields: {leadType: B}", 'leadType: expected "B", got "A"'),
        ("fields: {eventScore: '1'}", 'eventScore: expected "1", got 1'),
        ("fields: {eventScore: true}", "eventScore: expected true, got 1"),
        ("fields: {leadType: null}", 'leadType: expected not to be sent, got "A"'),
        ("fields: {title: null}", "title: expected not to be sent, got the field emptied"),
        ("fields: {leadTpye: A}", "leadTpye: no row of the mapping writes this field. Did you mean 'leadType'?"),
        ("fields: {leadTypes: null}", "leadTypes: no row of the mapping writes this field. Did you mean 'leadType'?"),
        ("programs: {1107: Registered}", 'program 1107: expected "Registered", got "Engaged"'),
        ("programs: {1107: null}", 'program 1107: expected no membership, got "Engaged"'),
        ("programs: {1170: Engaged}", "program 1170: no row of the mapping is for this program"),
        ("lists: []", 'lists: expected [], got ["1001"]'),
        ("keys: [lead_id, email]", 'keys: expected ["lead_id", "email"], got ["email"]'),
        ("failure: NO_TAG_MAPPING", "failure: expected NO_TAG_MAPPING, but the lead is written"),
    ],
)
def test_what_is_otherwise_than_expected_is_said_with_the_place(shop: Workshop, expect: str, said: str) -> None:
    (shop.folder / "expo.samples.yaml").unlink()
    shop.write("expo.yaml", SPEC + TESTS + f"      {expect}\n")
    ended = shop.test()
    assert ended.code == 1
    assert f"expo.yaml:22:5: a hot lead: {said}" in ended.out
    assert shop.test("--update").code == 1, "an expectation is not accepted away"


@pytest.mark.parametrize(
    "expect",
    [
        'fields: {leadType: A, company: Fernhill, title: "", phone: null}',
        "{programs: {1107: Engaged, 1108: null}, lists: [1001], keys: [email]}",
    ],
)
def test_only_what_a_test_names_is_compared(shop: Workshop, expect: str) -> None:
    shop.write("expo.yaml", SPEC + TESTS + f"      {expect}\n")
    shop.test("--update")
    ended = shop.test()
    assert (ended.code, ended.err) == (0, "")
    assert "pass     a hot lead" in ended.out


def test_an_expected_failure_passes_only_with_its_code(shop: Workshop) -> None:
    shop.write("expo.yaml", SPEC + TESTS.replace("Hot", "Lukewarm") + "      failure: NO_TAG_MAPPING\n")
    shop.test("--update")
    assert shop.test().code == 0
    shop.change("expo.yaml", "failure: NO_TAG_MAPPING", "failure: MISSING_MATCH_KEY")
    ended = shop.test()
    assert ended.code == 1
    assert "a hot lead: failure: expected MISSING_MATCH_KEY, got NO_TAG_MAPPING: Lead Type: the answer" in ended.out
    shop.change("expo.yaml", "failure: MISSING_MATCH_KEY", "fields: {leadType: A}")
    assert "a hot lead: failure: the lead fails with NO_TAG_MAPPING" in shop.test().out


def test_the_tests_of_a_mapping_are_tried_with_each_of_its_integrations(accepted: Workshop) -> None:
    accepted.write("summit.yaml", SPEC.replace("name: expo", "name: summit").replace("Expo 2026", "Summit 2026"))
    accepted.write("mapping.yaml", MAPPING + TESTS + "      programs: {1107: Engaged}\n")
    ended = accepted.test("--json")
    results = {(each["spec"], each["name"]): each["result"] for each in ended.json["results"] if each["kind"] == "test"}
    assert results == {("expo.yaml", "a hot lead"): "pass", ("summit.yaml", "a hot lead"): "failed"}
    assert {each["where"]["path"] for each in ended.json["results"] if each["kind"] == "test"} == {"mapping.yaml"}
    assert {each["name"] for each in accepted.test("mapping.yaml", "--json").json["results"]} == {"a hot lead"}


# What is wrong with a sample --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ("lead: {frist_name: Ada}", "expo.samples.yaml:4:12: error: x: unknown lead field 'frist_name'  [unknown-lead-f"
         "ield]|Did you mean 'first_name'?"),
        ("lead: {scans: 2}", "expo.samples.yaml:4:12: error: x: 'scans' is worked out, not captured|events"),
        ("row: {Given nmae: Ada}", "expo.samples.yaml:4:11: error: x: unknown column 'Given nmae'  [unknown-key]|Did"
         " you mean 'Given name'?"),
        ("{lead: {email: a@b.example}, qualifiers: {Lead Typ: Hot}}", "x: unknown qualifier 'Lead Typ'  [unknown-qualif"
         "ier]|Did you mean 'Lead Type'?"),
        ("{lead: {email: a@b.example}, now: yesterday}", "x: 'yesterday' is no time  [wrong-value]|2026-05-12"),
        ("{lead: {email: a@b.example}, event: Expo}", "samples.x: unknown key 'event'|Did you mean 'events'?"),
    ],
)  # fmt: skip
def test_a_name_that_nobody_knows_is_an_error_with_its_place(shop: Workshop, sample: str, said: str) -> None:
    shop.write("expo.samples.yaml", f"version: 1\nsamples:\n  x:\n    {sample}\n")
    ended = shop.test()
    assert ended.code == 2
    for each in said.split("|"):
        assert each in ended.err


def test_a_wrong_sample_hides_no_other(shop: Workshop) -> None:
    shop.change("expo.samples.yaml", "Surname: Łuczak", "Surnme: Łuczak")
    ended = shop.test("--update")
    assert ended.code == 2
    assert list(shop.snapshots()) == ["__samples__/expo/complete.json"]
    assert "Did you mean 'Surname'?" in ended.err


def test_an_unknown_failure_code_is_an_error(shop: Workshop) -> None:
    shop.write("expo.yaml", SPEC + TESTS + "      failure: NO_TAG_MAPING\n")
    ended = shop.test()
    assert ended.code == 2
    assert "expo.yaml:26:7: error: a hot lead: there is no failure code 'NO_TAG_MAPING'" in ended.err
    assert "Did you mean 'NO_TAG_MAPPING'?" in ended.err


# Which files ------------------------------------------------------------------------------------------------------


def test_samples_named_like_nothing_are_an_error_that_says_what_is_there(shop: Workshop) -> None:
    shop.write("exop.samples.yaml", (shop.folder / "expo.samples.yaml").read_text("utf-8"))
    ended = shop.test()
    assert ended.code == 2
    assert "exop.samples.yaml: error: there is no spec 'exop.yaml' beside these samples" in ended.err
    assert "Did you mean 'expo'?" in ended.err
    assert "new      complete" in ended.out


def test_samples_of_a_mapping_are_tried_with_each_integration_that_uses_it(shop: Workshop) -> None:
    (shop.folder / "expo.samples.yaml").unlink()
    shop.write("us/summit.yaml", SPEC.replace("mapping.yaml", "../mapping.yaml"))
    shop.write("us/other.yaml", SPEC.replace("mapping: mapping.yaml", "mapping: {fields: {email: lead.email}}"))
    shop.write(
        "mapping.samples.yaml", "version: 1\nsamples:\n  Bo: {lead: {first_name: Bo, last_name: R, company: G}}\n"
    )
    for paths in ([], ["mapping.samples.yaml"], ["mapping.yaml"], [shop.folder / "mapping.samples.yaml"]):
        specs = {Path(each["spec"]).name for each in shop.test(*paths, "--json").json["results"]}
        assert specs == {"expo.yaml", "summit.yaml"}, paths
    shop.test("--update")
    assert list(shop.snapshots()) == ["__samples__/expo/Bo.json", "us/__samples__/summit/Bo.json"]


def test_a_mapping_that_no_integration_uses_cannot_be_tried_and_that_is_said(shop: Workshop) -> None:
    shop.write("lone/mapping.yaml", MAPPING + TESTS + "      lists: [1]\n")
    shop.write("lone/mapping.samples.yaml", "version: 1\nsamples:\n  Bo: {lead: {first_name: Bo}}\n")
    ended = shop.test("lone")
    assert ended.code == 2
    assert "lone/mapping.samples.yaml: error: a mapping alone cannot be tried" in ended.err
    assert "lone/mapping.yaml: error: a mapping alone cannot be tried" in ended.err


def test_a_part_that_is_no_mapping_has_no_samples(shop: Workshop) -> None:
    shop.write("rules.yaml", "version: 1\nrules:\n  - {by: email, value: lead.email}\n")
    shop.write("rules.samples.yaml", "version: 1\nsamples:\n  Bo: {lead: {first_name: Bo}}\n")
    ended = shop.test("rules.samples.yaml")
    assert ended.code == 2
    assert "this is a matching" in ended.err


def test_a_samples_file_is_tried_alone_where_it_is_named(accepted: Workshop) -> None:
    accepted.write("expo.samples.json", '{"version": 1, "samples": {"Bo": {"lead": {"first_name": "Bo"}}}}')
    tried = accepted.test("expo.samples.json", "--json").json
    assert [each["name"] for each in tried["results"]] == ["Bo"]
    assert tried["stale"] == []
    assert len(accepted.test("expo.yaml", "--json").json["results"]) == 3


def test_specs_that_would_share_their_snapshots_are_refused(shop: Workshop) -> None:
    shop.write("Expo.json", '{"version": 1, "destination": {"use": "marketo"}}')
    ended = shop.test("expo.yaml")
    assert ended.code == 2
    assert "expo.yaml: error: expo.yaml and Expo.json would have the same snapshots" in ended.err
    shop.write("expo.json", '{"version": 1, "destination": {"use": "marketo"}}')
    assert "these samples may be for expo.yaml or expo.json" in shop.test("expo.samples.yaml").err


def test_hidden_folders_and_those_of_packages_are_left_out(shop: Workshop) -> None:
    for folder in (".venv", ".git", "node_modules", "__samples__"):
        shop.write(f"{folder}/lone.samples.yaml", "version: 1\nsamples:\n  Bo: {lead: {first_name: Bo}}\n")
    assert shop.test().code == 1


def test_what_is_wrong_with_one_spec_hides_nothing_of_the_others(shop: Workshop) -> None:
    shop.write("broken.yaml", SPEC.replace("csv", "cvs"))
    shop.write("broken.samples.yaml", (shop.folder / "expo.samples.yaml").read_text("utf-8"))
    shop.write("torn.yaml", SPEC.replace("use: marketo", "use: [marketo"))
    ended = shop.test("--update")
    assert ended.code == 2
    assert "broken.yaml:4:3: error: there is no source called 'cvs'  [unknown-adapter]" in ended.err
    assert "torn.yaml:" in ended.err
    assert "written  complete" in ended.out
    assert list(shop.snapshots()) == ["__samples__/expo/as-a-row.json", "__samples__/expo/complete.json"]


def test_nothing_to_try_is_an_error_that_says_how_to_begin(shop: Workshop) -> None:
    (shop.folder / "expo.samples.yaml").unlink()
    ended = shop.test()
    assert ended.code == 2
    assert "there are no samples and no tests in this folder" in ended.err
    assert "expo.samples.yaml" in ended.err


def test_a_path_that_is_not_there_is_an_error(shop: Workshop) -> None:
    ended = shop.test("nowhere.yaml", "nowhere.samples.yaml")
    assert ended.code == 2
    assert "nowhere.yaml: error: cannot read the spec" in ended.err
    assert "there is no spec 'nowhere.yaml' beside these samples" in ended.err


# What a sample goes through ---------------------------------------------------------------------------------------


def test_without_a_catalog_it_is_said_that_nothing_is_compared(shop: Workshop) -> None:
    assert "note: expo.yaml: there is no saved catalog: nothing is compared with the vendor" in shop.test().out


def test_with_a_catalog_values_are_cast_and_measured_for_the_vendor(shop: Workshop) -> None:
    shutil.copy(ROOT / "specs/demo/marketo.catalog.json", shop.folder / "vendor.json")
    shop.change("expo.yaml", "  use: marketo\n", "  use: marketo\n  catalog: vendor.json\n")
    shop.change("mapping.yaml", "lists:\n  - {list_id: 1001, event: Expo 2026}\n", "")
    shop.change("mapping.yaml", ", type: integer", "")
    shop.write(
        "expo.samples.yaml",
        "version: 1\nsamples:\n  right:\n    lead: {first_name: A, last_name: B, company: C, email: a@b.example}\n"
        f"  long:\n    lead: {{first_name: A, last_name: B, company: C, job_title: {'x' * 300}}}\n",
    )
    ended = shop.test("--update")
    assert (ended.code, ended.err) == (0, "")
    assert "note:" not in ended.out
    assert "title: 'xxx" in ended.out
    assert "+ fields.eventScore: 1\n" in ended.out
    shop.change("mapping.yaml", "  title:", "  titel:")
    ended = shop.test()
    assert ended.code == 2
    assert "marketo has no field 'titel'" in ended.err


def test_events_and_the_events_of_the_source_count_as_in_a_run(shop: Workshop) -> None:
    shop.write("expo.samples.yaml", "version: 1\nsamples:\n  often:\n"
               "    lead: {first_name: A, last_name: B, company: C, email: a@b.example, event: Summit 2026}\n"
               "    events: {Summit 2026: 3}\n")  # fmt: skip
    shop.test("--update")
    [kept] = map(json.loads, shop.snapshots().values())
    assert kept["fields"]["eventScore"] == 3
    assert "programs" not in kept


def test_a_filter_of_a_third_party_that_breaks_fails_the_lead_as_in_a_run(shop: Workshop) -> None:
    class Filters:
        @hookimpl
        def register_filters(self) -> dict[str, object]:
            def explode(value: object) -> str:
                raise RuntimeError("it broke")

            return {"explode": explode}

    shop.write("expo.yaml", SPEC + "matching:\n  - {by: email, value: lead.email | explode}\n")
    tested = try_paths([Path()], load({"filters": Filters()}))
    assert {result.verdict for result in tested.results} == {"new"}
    assert {json.loads(each.content)["failure"]["code"] for each in tested.results} == {"PLUGIN_ERROR"}
    assert b"RuntimeError('it broke')" in tested.results[0].content


def test_a_step_that_breaks_is_told_and_the_lead_goes_on_as_in_a_run(shop: Workshop) -> None:
    class Fragile(Enricher):
        name, summary, provides = "fragile", "Breaks.", ("city",)

        def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
            raise RuntimeError("it broke")

    class Enrichers:
        @hookimpl
        def register_enrichers(self) -> list[type[Enricher]]:
            return [Fragile]

    shop.change("expo.yaml", "  - use: people_data_labs\n", "  - use: fragile\n  - use: people_data_labs\n")
    for result in try_paths([Path()], load({"fragile": Enrichers()})).results:
        found = json.loads(result.content)
        assert found["broken"] == ["fragile: the plugin broke: RuntimeError: it broke"]
        assert found["keys"]


def test_json_says_all_of_it(shop: Workshop) -> None:
    shop.write("expo.yaml", SPEC + TESTS + "      fields: {leadType: B}\n")
    ended = shop.test("--json")
    found = ended.json
    assert (ended.code, found["exit_code"], found["schema_version"]) == (1, 1, 1)
    test, first, _ = found["results"]
    assert (test["kind"], test["result"], test["where"]) == (
        "test", "failed", {"path": "expo.yaml", "line": 22, "column": 5},
    )  # fmt: skip
    assert (first["name"], first["result"], first["snapshot"]) == (
        "complete",
        "new",
        "__samples__/expo/complete.json",
    )
    assert '+ fields.leadType: "A"' in first["lines"]
