"""Hostile expressions and hostile values: refused when a spec is checked, refused again when it is compiled, and small.

What is tried stands in hostile_expressions.yaml.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from engine import check, hookimpl, specs
from engine.cli import main
from engine.errors import Place, SpecError
from engine.expressions import (
    MAX_DEPTH,
    MAX_FILTERS,
    MAX_SOURCE,
    Expression,
    ExpressionError,
    Names,
    function,
    parse,
)
from engine.field_rows import compile_rows
from engine.filters import BUILT_IN, MAX_TEXT
from engine.findings import FINDINGS
from engine.plugins import Plugins
from engine.specs import FieldRow
from engine.state import Store
from tests.unit_helpers import run_spec, shelf_plugins, write_csv, write_spec

HOSTILE: list[dict[str, Any]] = YAML(typ="safe").load(
    (Path(__file__).parent / "hostile_expressions.yaml").read_text("utf-8")
)
BY_NAME = {entry["name"]: entry for entry in HOSTILE}
CVES = [entry for entry in HOSTILE if "cve" in entry]
SECRET = "what-nobody-may-read"
NAMES = Names(["email", "notes", "country", "scans"], ["Heat"], tables={"regions": {"norway": "EMEA"}})


def text_of(entry: Mapping[str, Any]) -> str:
    return entry.get("expression") or "".join(text * times for text, times in entry["repeat"])


@pytest.fixture(scope="module")
def installed() -> Plugins:
    return shelf_plugins()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, installed: Plugins) -> tuple[Path, dict[str, list[SpecError]]]:
    """One spec with all of them but those that are longer than any spec, and what its check finds, by row."""
    short = {name: text_of(entry) for name, entry in BY_NAME.items() if len(text_of(entry)) < 10_000}
    path = write_spec(tmp_path_factory.mktemp("hostile"), mapping={"fields": {"email": "lead.email", **short}})
    findings: dict[str, list[SpecError]] = {}
    for finding in check.check(specs.load(path), installed):
        assert isinstance(finding.where, Place)
        line = path.read_text("utf-8").splitlines()[finding.where.line - 1]
        findings.setdefault(json.loads("{" + line.strip().rstrip(",") + "}").popitem()[0], []).append(finding)
    return path, findings


def test_many_ways_are_tried_and_every_published_one() -> None:
    assert len(BY_NAME) == len(HOSTILE) > 90
    assert {entry["code"] for entry in HOSTILE} < set(FINDINGS)
    assert {entry["cve"] for entry in CVES} == {
        "CVE-2016-10745", "CVE-2019-8341", "CVE-2019-10906", "CVE-2020-28493", "CVE-2024-22195", "CVE-2024-34064",
        "CVE-2024-56201", "CVE-2024-56326", "CVE-2025-27516",
    }  # fmt: skip


def refused_with_its_place(entry: Mapping[str, Any], found: tuple[Path, dict[str, list[SpecError]]]) -> None:
    path, findings = found
    (finding,) = findings[entry["name"]]
    lines = path.read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(lines) if text.lstrip().startswith(json.dumps(entry["name"])))
    assert finding.where == Place(str(path), line + 1, lines[line].index('"') + 1)
    assert (finding.code, bool(finding.fix)) == (entry["code"], True), finding
    assert len(str(finding)) < 5 * MAX_SOURCE


@pytest.mark.parametrize("name", [name for name in BY_NAME if len(text_of(BY_NAME[name])) < 10_000])
def test_the_check_refuses_it_at_its_place(name: str, found: tuple[Path, dict[str, list[SpecError]]]) -> None:
    refused_with_its_place(BY_NAME[name], found)


@pytest.mark.parametrize("entry", HOSTILE, ids=lambda entry: entry["name"])
def test_it_is_refused_quickly_wherever_it_is_compiled(entry: Mapping[str, Any]) -> None:
    started = time.process_time()
    with pytest.raises(ExpressionError) as caught:
        compile_rows([FieldRow("title", text_of(entry))], NAMES, {})
    assert caught.value.code == entry["code"]
    with pytest.raises(ExpressionError):
        compile_rows([FieldRow("title", "lead.email", when=text_of(entry))], NAMES, {})
    assert time.process_time() - started < 1


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory, installed: Plugins) -> Any:
    """Run a spec with one expression past the check, on one state; returns the folder and the summary."""
    folder = tmp_path_factory.mktemp("unchecked")
    write_csv(folder / "leads.csv", [("Ada", "Lindqvist", SECRET, "ada@kestrel.example")])

    def run(expression: str, name: str = "expo") -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOSTILE_SECRET", SECRET)
            patch.setattr(check, "refuse_if_wrong", lambda integration, plugins: None)
            fields = {"email": "lead.email", "firstName": expression}
            return run_spec(write_spec(folder, mapping={"fields": fields}, name=name), folder / "state.db", installed)

    return folder, run


@pytest.mark.parametrize("entry", CVES, ids=lambda entry: entry["cve"])
def test_a_published_way_in_is_refused_by_the_check_and_by_a_run_that_was_not_checked(
    entry: Mapping[str, Any], found: tuple[Path, dict[str, list[SpecError]]], unchecked: Any, installed: Plugins
) -> None:
    refused_with_its_place(entry, found)
    _, run = unchecked
    summary = run(entry["expression"], name=entry["cve"].lower())
    assert (summary.status, summary.exit_code) == ("aborted", SpecError.exit_code)
    assert (summary.totals["captured"], summary.totals["presync"]) == (1, 1), "captured, and waiting"
    assert SECRET not in json.dumps(summary.as_json())
    assert "ada@kestrel.example" not in installed.vendors["shelf"].shelves.get("shelf", {})  # type: ignore[attr-defined]


def test_a_run_past_the_check_loses_no_lead_and_goes_on_when_the_spec_is_mended(unchecked: Any) -> None:
    folder, run = unchecked
    for name in ("class of a text", "times", "braces", "brackets", "a null byte", "globals of generated code"):
        summary = run(text_of(BY_NAME[name]), name="mended")
        assert (summary.exit_code, summary.totals["captured"]) == (SpecError.exit_code, 1)
    summary = run("lead.first_name", name="mended")
    assert (summary.exit_code, summary.totals["cleared"]) == (0, 1)
    with Store(folder / "state.db") as store:
        assert store.reports.failed("mended") == []


def test_the_command_says_where_and_why(found: tuple[Path, Any], capsys: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    path, _ = found
    monkeypatch.setattr(sys, "argv", ["engine", "check", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == SpecError.exit_code
    told = "".join(capsys.readouterr())
    assert told.count(f"{path.name}:") >= len(BY_NAME) - 1


def test_a_filter_that_makes_too_much_fails_the_lead_that_it_does_so_for(tmp_path: Path) -> None:
    def swell(value: str) -> str:
        return value * (1 if value.startswith("Ada") else MAX_TEXT)

    plugin = type("Swelling", (), {"register_filters": staticmethod(hookimpl(lambda: {"swell": swell}))})()
    write_csv(tmp_path / "leads.csv", [(name, "Q", "G", f"{name}@swell.example") for name in ("Ada", "Bo", "Ada2")])
    fields = {"email": "lead.email", "firstName": "lead.first_name | swell"}
    spec = write_spec(tmp_path, mapping={"fields": fields})
    summary = run_spec(spec, tmp_path / "state.db", shelf_plugins(swelling=plugin))
    assert (summary.totals["cleared"], summary.totals["failed"]) == (2, 1)
    with Store(tmp_path / "state.db") as store:
        (failed,) = store.reports.failed("expo")
    assert (failed["key"], failed["code"]) == ("email:bo@swell.example", "DATA_VALUE_VALIDATION")
    assert failed["message"] == f"firstName: the result is longer than {MAX_TEXT} characters"


@pytest.mark.parametrize("name", ["a b", "a.b", "x); open('y'", "ｕpper", "", 1, "class'"])
def test_a_filter_whose_name_no_expression_can_write_is_not_taken(name: Any) -> None:
    plugin = type("Odd", (), {"register_filters": staticmethod(hookimpl(lambda: {name: str, "shout": str.upper}))})()
    loaded = shelf_plugins(odd=plugin)
    assert [broken.plugin for broken in loaded.broken] == ["odd"]
    assert set(loaded.filters) == {*BUILT_IN, "shout"}
    names = Names(["email"], filters={**BUILT_IN, str(name): str})
    with pytest.raises(ExpressionError):
        parse(f"lead.email | {name}", names)


# The second line of defence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["__import__('os')", "open('/etc/passwd')", "eval('1')", "exec('1')", "globals()",
                                    "getattr(get, 'x')", "type(lead)"])  # fmt: skip
def test_generated_code_has_no_builtins(source: str) -> None:
    compiled = function(Expression(source, source, frozenset(), frozenset()), NAMES)
    with pytest.raises(NameError):
        compiled({}, {})


@pytest.mark.parametrize("name", ["x'], __import__('os').getcwd(), ['", "{__import__('os')}", '"""', "\\", "\n", "\0"])
def test_a_name_of_a_column_is_never_code(name: str) -> None:
    names = Names(["email"], [name], tables={name: {"a": name}})
    escaped = name.encode("unicode-escape").decode().replace("'", "\\'")
    assert function(parse(f"qualifiers['{escaped}']", names), names)({}, {name: "Hot"}) == "Hot"
    assert function(parse(f"'A' | lookup('{escaped}')", names), names)({}, {}) == name
    rows = compile_rows([FieldRow(name, "lead.email", default=name, options=[name])], names, {})
    out: dict[str, Any] = {}
    rows.fill({}, {}, out, out, out, [], [])
    assert out == {name: name}


_CODE = st.sampled_from(["{{ 7 * 7 }}", "{% raw %}", "' ~ lead.notes ~ '", "__import__('os')", "lead.notes", "\\", "'",
                         '"', "\n", "\0", "%s", "{0.__class__}", "${x}", "#{", "1e5", ")", "| upper"])  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=50) | st.lists(_CODE, max_size=6).map("".join))
def test_no_value_of_a_lead_changes_what_is_worked_out(value: str) -> None:
    lead, answers = {"email": value, "notes": SECRET}, {"Heat": value}
    for expression, expected in (
        ("lead.email", value), ("lead.email ~ '!'", value + "!"), ("qualifiers['Heat']", value),
        ("[lead.email, 'x'] | join('+')", f"{value}+x"), ("lead.email == qualifiers['Heat']", True),
        ("lead.email | replace('{}', '') | default('')", value.replace("{}", "")),
        ("'a' if lead.email in ['b', lead.email] else 'c'", "a"),
    ):  # fmt: skip
        assert function(parse(expression, NAMES), NAMES)(lead, answers) == expected


_WORDS = st.sampled_from(
    ["lead", ".", "lead.email", "lead.notes", "qualifiers['Heat']", "(", ")", "[", "]", "{", "}", "|", "~", "+", "-",
     "*", "**", "/", "//", "%", "if", "else", "not", "is", "blank", "defined", "in", "and", "or", "'x'", '"', "'", "1",
     "1.5", "1e999", "0x1F", "9" * 30, ",", ":", "=", "==", "{{", "}}", "{%", "{#", "__class__", "\\", "\\u", "\n",
     "\0", " ", "import", "lambda", "range", *(f"|{name}(" for name in BUILT_IN), "|lookup('regions')", "%d.%m.%Y"]
)  # fmt: skip


@settings(max_examples=300, deadline=1000)
@given(st.text(max_size=80) | st.lists(_WORDS, max_size=25).map(" ".join) | st.lists(_WORDS, max_size=25).map("".join))
@example("lead.notes | replace('a', new='b', new='c')")
@example("lead.notes | upper.lower")
@example("'\\N{BULLET}'")
def test_any_text_is_an_expression_of_bounded_size_or_an_expression_error(source: str) -> None:
    try:
        expression = parse(source, NAMES)
    except ExpressionError as error:
        assert error.code in FINDINGS and str(error)
        return
    assert len(expression.source) < 20 * MAX_SOURCE
    compiled = function(expression, NAMES)
    lead = {"email": "ada@kestrel.example", "notes": "n" * 9_000, "scans": 3}
    try:
        value = compiled(lead, {"Heat": ["Hot", "Cold"]})
    except (ValueError, TypeError, ArithmeticError, IndexError):
        return
    assert not isinstance(value, str) or len(value) <= MAX_TEXT


# The worst that is allowed --------------------------------------------------------------------------------------------


def widest(part: str, joined: str, start: str = "", end: str = "") -> str:
    """The longest expression of many equal parts that is allowed."""
    for count in range(MAX_SOURCE // len(part), 0, -1):
        source = start + joined.join([part] * count) + end
        try:
            parse(source, NAMES)
        except ExpressionError:
            continue
        return source
    raise AssertionError(f"{part} is not allowed even once")


def worst() -> list[str]:
    deep = MAX_DEPTH - 1
    found = [
        widest("lead.notes", " ~ "),
        widest("lead.notes", ", ", "[", "]"),
        widest("lead.notes", ", ", "[", "] | join(lead.notes)"),
        widest("lead.notes", ", ", "lead.email | coalesce(", ")"),
        widest("lead.notes", " ~ ", "lead.notes in (", ")"),
        widest("lead.notes | split('a')", " + "),
        widest("lead.notes | split('a')", ", ", "[", "]"),
        widest("[lead.notes]", " + "),
        widest("lead.notes | upper", ", ", "[", "]"),
        widest("9" * 90, " + "),
        widest("lead.notes == lead.notes", " and "),
        "lead.notes" + " | title" * deep,
        "lead.notes" + " | replace('a', 'aa')" * deep,
        "lead.notes" + " | replace('a', lead.notes)" * deep,
        "lead.notes" + " | without_accents | title" * (deep // 2),
        "lead.notes" + " | split('a') | join('aa')" * (deep // 2),
        "lead.notes" + " | split(' ') | unique | join(' ')" * (deep // 3),
        "lead.notes" + " | sha256" * deep,
        "lead.notes | int", "lead.notes | float", "lead.notes | number(',', '.')", "lead.notes | round(15)",
        "lead.notes | date('%d.%m.%Y %H:%M:%S.%f %z')", "lead.notes | date(lead.notes)",
        "lead.notes | in_zone(lead.notes)",
        "lead.notes | domain", "lead.notes | contains(lead.notes)", "lead.notes | replace(lead.notes, lead.notes)",
        "lead.notes | pad(100000)", "lead.notes | truncate(100000, '…')", "lead.notes | lookup('regions', lead.notes)",
        "[lead.notes, lead.notes | upper] | unique", "lead.notes | initials", "lead.notes | before(lead.notes)",
    ]  # fmt: skip
    return [source for source in found if len(source) <= MAX_SOURCE]


_UNDER_LIMITS = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (600 * 2**20, 600 * 2**20))
resource.setrlimit(resource.RLIMIT_CPU, (40, 40))
import time
from engine.expressions import Names, function, parse
names = Names(["email", "notes", "country", "scans"], ["Heat"], tables={"regions": {"norway": "EMEA"}})
sources, values = json.load(sys.stdin)
slowest = (0.0, "")
for source in sources:
    compiled = function(parse(source, names), names)
    for value in values:
        started = time.process_time()
        try:
            compiled({"email": "", "notes": value * (256_000 // len(value))}, {})
        except MemoryError:
            sys.exit(f"out of memory: {source[:200]}")
        except (ValueError, TypeError, ArithmeticError):
            pass
        slowest = max(slowest, (time.process_time() - started, source[:80] + repr(value)))
try:  # what getrusage says begins with the peak of the process that started this one
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([peak // 1024, *slowest]))
"""


@pytest.mark.parametrize(
    "characters",
    [["ß", "-"], pytest.param(["a", "a ", "1", "\u0301\u0316", "\ufdfa", "\U0001f44d"], marks=pytest.mark.torture)],
)
def test_the_worst_that_is_allowed_stays_within_memory_and_time(characters: list[str]) -> None:
    given = json.dumps([worst(), characters])
    done = subprocess.run([sys.executable, "-c", _UNDER_LIMITS], input=given, capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    megabytes, slowest, source = json.loads(done.stdout)
    assert megabytes < 300
    assert slowest < 3, source


def test_the_limits_are_those_that_are_documented() -> None:
    told = (Path(__file__).parents[1] / "docs/expressions.md").read_text("utf-8")
    limits = told[told.index("## Limits") :]
    for limit in (f"{MAX_SOURCE:,} characters", f"{MAX_DEPTH} levels", f"{MAX_FILTERS} filters", f"{MAX_TEXT:,} char"):
        assert limit in limits
