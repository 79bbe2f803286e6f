"""engine explain: what a code means, in the terminal; failed leads point to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.cli import build_cli
from engine.code_pages import failure_page, names, pages
from engine.code_texts import NOTICE_ADVICE, TEXTS
from engine.codes import CODES, NOTICES, VendorCode
from engine.errors import SpecError
from tests.conftest import Bench
from tests.test_docs import FAILURES, ROOT, module_at

OWN = {
    "acme": [VendorCode("E42", "The record is locked.", "AMBIGUOUS_MATCH", "wait", "record", "upsert", 7.5)],
    "zenith": [
        VendorCode("e42", "Somebody must act.", "", "stop", "call"),
        VendorCode("E43", "The plugin's own.", "ZENITH_ONLY", "fix"),
        VendorCode("E44", "The name is taken.", "ALREADY_EXISTS", "fix"),
        VendorCode("E44", "The name is empty.", "", "done"),
    ],
}


def explain(*words: str) -> Result:
    return CliRunner().invoke(build_cli(), ["explain", *words])


@pytest.mark.parametrize("name", CODES)
def test_every_failure_code_is_explained_for_an_operator(name: str) -> None:
    shown = explain(name.lower())
    assert shown.exit_code == 0
    for word in (name, CODES[name].meaning, "Who fixes it: ", "Typical causes", "reconcile show", "Commands"):
        assert word in shown.output
    assert f"--group {name}" in shown.output


def test_every_text_belongs_to_a_code() -> None:
    assert set(TEXTS) == set(CODES)
    assert set(NOTICE_ADVICE) == set(NOTICES)


@pytest.mark.parametrize("name", NOTICES)
def test_every_notice_is_explained(name: str) -> None:
    shown = explain(name)
    assert shown.exit_code == 0
    assert NOTICES[name] in shown.output and NOTICE_ADVICE[name] in shown.output
    assert "the lead goes on" in shown.output


def test_the_terminal_and_the_documentation_say_the_same() -> None:
    page = failure_page(CODES["NO_TAG_MAPPING"], {})
    words = re.sub(r"[`#|\s-]+", " ", page.markdown()).replace(" sh ", " ").replace(" text ", " ")
    shown = re.sub(r"[`#|\s-]+", " ", explain("NO_TAG_MAPPING").output)
    assert words.split() == shown.split()


def test_a_code_of_a_vendor_is_explained_for_each_vendor_that_has_it() -> None:
    first, second = pages("e42", OWN)
    assert (first.name, second.name) == ("acme E42", "zenith e42")
    told = first.markdown()
    for word in ("The record is locked.", "one record (upsert)", "sent again after a while (7.5 seconds)",
                 "AMBIGUOUS_MATCH", "engine explain AMBIGUOUS_MATCH"):  # fmt: skip
        assert word in told
    assert "Failure code" not in second.markdown()
    (own,) = pages("E43", OWN)
    assert "ZENITH_ONLY" in own.markdown(), "a failure code that only the plugin knows"
    (several,) = pages("E44", OWN)
    for word in ("several meanings", "| The name is taken. |", "| The name is empty. |", "| none |"):
        assert word in several.markdown()
    assert {"E42", "MATCH_CONFLICT", "UNKNOWN"} <= set(names(OWN))


def test_the_page_of_a_failure_lists_the_codes_of_vendors_that_become_it() -> None:
    told = failure_page(CODES["AMBIGUOUS_MATCH"], OWN).markdown()
    assert "| acme | `E42` | The record is locked. | one record (upsert) |" in told
    assert "zenith" not in told
    assert "Vendor codes" not in failure_page(CODES["UNREADABLE_ROW"], OWN).markdown()


def test_an_installed_vendor_brings_its_codes() -> None:
    shown = explain("1007")
    assert shown.exit_code == 0
    assert "marketo 1007" in shown.output and "engine explain AMBIGUOUS_MATCH" in shown.output
    assert re.search(r"marketo\s+1007", explain("AMBIGUOUS_MATCH").output)


@pytest.mark.parametrize(("slip", "meant"), [("NO_TAG_MAPING", "NO_TAG_MAPPING"), ("value_trunctd", "VALUE_TRUNCATED")])
def test_a_code_that_does_not_exist_brings_the_one_that_was_meant(slip: str, meant: str) -> None:
    failed = explain(slip).exception
    assert isinstance(failed, SpecError)
    assert failed.fix == f"Did you mean {meant!r}?"
    nothing = explain("qqq").exception
    assert isinstance(nothing, SpecError) and "UNREADABLE_ROW" in nothing.fix


def test_failed_leads_point_to_the_explanation_and_the_example_is_as_it_is_printed(bench: Bench, person: Any) -> None:
    bench.leads([person(1, Heat="Cold")])
    spec = bench.spec(
        source={"qualifiers": {"Lead Type": "Heat"}},
        mapping={"qualifiers": {"Lead Type": {"field": "leadType", "options": {"Hot": "A"}}}},
    )
    ran = bench.cli("run", spec)
    assert ran.code == 1
    for said in (ran.out, bench.cli("status").out, bench.cli("reconcile", "list").out):
        assert "more: engine explain NO_TAG_MAPPING" in said
    printed = bench.cli("reconcile", "show", "1").out
    example = next(section.printed for section in pages("NO_TAG_MAPPING", {})[0].sections if section.printed)
    head, *rest = (re.sub(r"\d{4}-\S+ \S+ in", "TIME in", line) for line in example)
    assert head in re.sub(r"\d{4}-\S+ \S+ in", "TIME in", printed)
    assert all(line in printed for line in rest)


# The documentation --------------------------------------------------------------------------------------------------


def test_the_page_of_a_code_is_written_and_that_of_a_former_code_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    generate = module_at(ROOT / "docs/generate.py")
    (tmp_path / "failures").mkdir()
    former, present = tmp_path / "failures/FORMER.md", tmp_path / "failures/NO_TAG_MAPPING.md"
    former.write_text("# FORMER\n")
    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.main(["--check"]) == 1
    told = capsys.readouterr().out
    assert "docs/failures/FORMER.md" in told and "docs/failures/NO_TAG_MAPPING.md" in told
    assert former.exists() and not present.exists(), "a check writes nothing"
    assert generate.main([]) == 0
    assert present.read_text().startswith("# NO_TAG_MAPPING\n") and not former.exists()
    assert generate.main(["--check"]) == 0


def test_every_failure_code_has_a_page_that_the_index_links_to() -> None:
    index = (ROOT / "docs/failures.md").read_text("utf-8")
    assert {path.stem for path in FAILURES} == set(CODES)
    assert set(re.findall(r"\]\(failures/(\w+)\.md\)", index)) == set(CODES)
    assert set(NOTICES) <= set(re.findall(r"`(\w+)`", index))
