"""Samples and tests of specs as tests of pytest, with the very snapshots of `engine test`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import syrupy

from engine.plugins import Plugins
from engine.testing import pytest_samples, pytest_snapshots
from tests.samples_helpers import MAPPING, SPEC, Workshop, workshop_in

pytest_plugins = "pytester"
#: Imported here, so that a run within this process does not import them each time anew.
WARM = (pytest_samples, pytest_snapshots)
TESTS = """\
tests:
  - name: a hot lead
    lead: {first_name: Ada, last_name: Quill, company: Fernhill, email: ada@fernhill.example}
    qualifiers: {Lead Type: Hot}
    expect: {fields: {leadType: A}}
  - name: "a hot lead :: wrongly"
    lead: {first_name: Ada, last_name: Quill, company: Fernhill, email: ada@fernhill.example}
    qualifiers: {Lead Type: Hot}
    expect: {fields: {leadType: B}}
"""
#: Without the plugins that take long to load.
INI = "[pytest]\naddopts = -p no:cacheprovider -p no:hypothesispytest -p no:anyio -W error\n"
Ran = Callable[..., pytest.RunResult]


@pytest.fixture
def shop(pytester: pytest.Pytester, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    pytester.makeini(INI)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # the run within a test is no worker of that around it
    return workshop_in(pytester.path, plugins, monkeypatch)


@pytest.fixture
def ran(pytester: pytest.Pytester) -> Ran:
    def run(*words: str) -> pytest.RunResult:
        session = syrupy._syrupy  # that of the run around this one
        try:
            return pytester.runpytest_inprocess("-v", *words)
        finally:
            syrupy._syrupy = session

    return run


def test_samples_are_items_with_names_that_read_well(shop: Workshop, ran: Ran) -> None:
    lines = ran().outlines
    assert any(line.startswith("FAILED expo.samples.yaml::expo::complete - ") for line in lines)
    assert "expo.samples.yaml:3:3: complete: new" in lines
    assert '+ fields.leadType: "A"' in lines
    assert "pytest --snapshot-update accepts it, and so does `engine test --update`" in lines
    assert shop.snapshots() == {}


def test_pytest_and_the_command_accept_the_same_bytes(shop: Workshop, ran: Ran) -> None:
    ran("--snapshot-update").assert_outcomes(passed=2)
    by_pytest = shop.snapshots()
    assert list(by_pytest) == ["__samples__/expo/as-a-row.json", "__samples__/expo/complete.json"]
    assert shop.test().code == 0
    for path in by_pytest:
        (shop.folder / path).unlink()
    shop.test("--update")
    assert shop.snapshots() == by_pytest
    result = ran()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["2 snapshots passed."])


def test_a_sample_that_changed_is_shown_field_by_field(shop: Workshop, ran: Ran) -> None:
    shop.test("--update")
    shop.change("mapping.yaml", "Hot: A", "Hot: AA")
    result = ran()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["expo.samples.yaml:3:3: complete: changed", '- fields.leadType: "A"',
                                 '+ fields.leadType: "AA"'])  # fmt: skip
    assert "Traceback" not in result.stdout.str()


def test_a_snapshot_without_a_sample_is_unused(shop: Workshop, ran: Ran) -> None:
    shop.test("--update")
    shop.change("expo.samples.yaml", "  as-a-row:", "  other:")
    shop.test("--update")
    shop.change("expo.samples.yaml", "  other:", "  as-a-row:")
    kept = shop.snapshots()
    result = ran()
    result.stdout.fnmatch_lines(["*1 snapshot unused."])
    assert result.ret != 0
    ran("--snapshot-update").stdout.fnmatch_lines(["Deleted expo.other (__samples__/expo/other.json)"])
    assert kept.keys() - shop.snapshots().keys() == {"__samples__/expo/other.json"}


def test_to_accept_some_samples_leaves_the_snapshots_of_the_others(shop: Workshop, ran: Ran) -> None:
    shop.change("expo.samples.yaml", "  as-a-row:", "  complete-as-well:")
    shop.test("--update")
    kept = shop.snapshots()
    ran("--snapshot-update", "--deselect", "expo.samples.yaml::expo::complete-as-well").assert_outcomes(
        passed=1, deselected=1
    )
    ran("--snapshot-update", "expo.samples.yaml::expo::complete").assert_outcomes(passed=1)
    ran("--snapshot-update", "-k", "complete and not well").assert_outcomes(passed=1, deselected=1)
    assert shop.snapshots() == kept


def test_tests_of_specs_are_items_of_the_file_that_they_stand_in(shop: Workshop, ran: Ran) -> None:
    shop.write("mapping.yaml", MAPPING + TESTS)
    (shop.folder / "expo.samples.yaml").unlink()
    result = ran("-p", "no:syrupy")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ['mapping.yaml:23:5: a hot lead :: wrongly: leadType: expected "B", got "A"',
         "FAILED mapping.yaml::expo::a hot lead : wrongly*"]
    )  # fmt: skip


def test_without_syrupy_a_sample_fails_and_says_so(shop: Workshop, ran: Ran) -> None:
    result = ran("-p", "no:syrupy")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["samples are compared by syrupy, which is not there: pip install *"])


def test_what_is_wrong_with_a_spec_fails_alone(shop: Workshop, ran: Ran) -> None:
    shop.test("--update")
    shop.write("broken.yaml", SPEC.replace("csv", "cvs"))
    shop.write("broken.samples.yaml", (shop.folder / "expo.samples.yaml").read_text("utf-8"))
    shop.write("lone.samples.yaml", "version: 1\nsamples:\n  Bo: {lead: {first_name: Bo}}\n")
    shop.write("torn.yaml", SPEC.replace("use: marketo", "use: [marketo") + TESTS)
    result = ran()
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(["torn.yaml:*: YAML: a [[] is opened and not closed, or a comma is missing"])
    result.stdout.fnmatch_lines(["broken.yaml:4:3: there is no source called 'cvs'"])
    result.stdout.fnmatch_lines(["lone.samples.yaml: there is no spec 'lone.yaml' beside these samples"])


def test_what_is_no_spec_is_not_looked_at(shop: Workshop, ran: Ran) -> None:
    shop.test("--update")
    shop.write("pipeline.yaml", "jobs:\n  tests:\n    - run: make\n")
    shop.write("torn.yaml", "tests:\n  - [\n")
    shop.write("schema.json", '{"properties": {"tests": []}, "tests": [{"fields": 1}]}')
    shop.write("other.json", '{"tests": [\n')
    ran().assert_outcomes(passed=2)


def test_a_project_can_do_without(shop: Workshop, pytester: pytest.Pytester, ran: Ran) -> None:
    pytester.makeini(f"{INI}lead_engine_samples = false\n")
    assert ran().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_process_of_its_own_tries_the_samples_in_workers(shop: Workshop, pytester: pytest.Pytester) -> None:
    shop.test("--update")
    shop.write("__samples__/expo/old.json", '{"failure": {"code": "UNKNOWN"}}')
    result = pytester.runpytest_subprocess("-n", "1")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["2 snapshots passed. 1 snapshot unused."])


def test_other_snapshots_of_the_project_are_not_mistaken_for_those_of_samples(
    shop: Workshop, pytester: pytest.Pytester, ran: Ran
) -> None:
    shop.test("--update")
    pytester.makepyfile(
        test_other="""
        from syrupy.extensions.json import JSONSnapshotExtension

        def test_answer(snapshot):
            assert {"a": 1} == snapshot.use_extension(JSONSnapshotExtension)
        """
    )
    ran("--snapshot-update").assert_outcomes(passed=3)
    result = ran()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["3 snapshots passed."])
    result.stdout.no_fnmatch_line("*unused*")
