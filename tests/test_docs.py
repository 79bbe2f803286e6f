"""The documentation says what is so: generated parts are fresh, links resolve, and the examples run."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from engine import check, errors, hookspecs, plugins, specs
from engine.cli import build_cli
from engine.run import Run, Summary
from engine.spec_files import Reader
from engine.state import Store

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
FAILURES = sorted((ROOT / "docs/failures").glob("*.md"))
PAGES = [*DOCS, *FAILURES, ROOT / "README.md", *sorted(ROOT.glob("plugins/*/README.md"))]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^# file: (\S+)$", re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, *languages: str) -> list[str]:
    """The code blocks of a page in these languages."""
    return [text for language, text in _BLOCK.findall(path.read_text("utf-8")) if language in languages]


def module_at(path: Path) -> ModuleType:
    """The module in a file, under a name of its own."""
    module = ModuleType(f"shown_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    exec(compile(path.read_text("utf-8"), str(path), "exec"), module.__dict__)  # noqa: S102 - our own files
    return module


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        yield module_at(ROOT / "docs/generate.py")


# Generated parts --------------------------------------------------------------------------------------------------


def test_generated_parts_are_fresh(generate: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_part_is_named_and_written_anew(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- generated: lead-fields -->\nold\n<!-- end: lead-fields -->\nafter\n")
    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "docs/page.md" in capsys.readouterr().out
    assert "old" in page.read_text(), "a check writes nothing"
    assert generate.main([]) == generate.main(["--check"]) == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert "`first_name`" in text and "old" not in text


def test_the_width_of_the_terminal_changes_nothing(generate: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(generate.commands())
    monkeypatch.setenv("COLUMNS", "40")
    assert list(generate.commands()) == before


def test_every_generated_part_stands_in_a_page(generate: ModuleType) -> None:
    used = re.findall(r"<!-- generated: (\S+) -->", "".join(path.read_text("utf-8") for path in DOCS))
    assert sorted(used) == sorted(generate.PARTS)


def test_every_hook_is_documented() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/hooks.md").read_text("utf-8"), re.MULTILINE)
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, "engine_spec")]
    assert hooks
    assert sorted(hooks) == sorted(headings)


def core_commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if command.callback is not None and command.callback.__module__.startswith("engine."):
            yield (*path, name)
        if isinstance(command, click.Group):
            yield from core_commands(command, *path, name)


def test_every_command_is_documented() -> None:
    headings = re.findall(r"^### engine (.+)$", (ROOT / "docs/commands.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(" ".join(path) for path in core_commands(build_cli()))
    assert "reconcile retry" in headings


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs/commands.md").read_text("utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    raised = {kind.exit_code for kind in (errors.AbortRun, *errors.AbortRun.__subclasses__())}
    assert listed == {0, 130} | raised


# Links and commands -----------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_resolve(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{named(page)} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{named(page)} links to {link}"


def test_every_page_is_reachable_from_the_contents() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs/README.md").read_text("utf-8")))
    assert linked == {path.name for path in DOCS} - {"README.md"}


def commands_in(page: Path) -> list[str]:
    """Every `engine …` of a page: lines of shell blocks, and code in the text."""
    text = page.read_text("utf-8")
    shell = "\n".join(blocks(page, "sh", "bash", "console"))
    lines = [line.strip().removeprefix("$ ") for line in shell.splitlines()]
    spans = re.findall(r"`(engine [^`]+)`", _BLOCK.sub("", text))
    return [line for line in [*lines, *spans] if re.match(r"engine [a-z-]", line)]


def problem_with(line: str, cli: click.Group) -> str:
    """What is wrong with a command line, or nothing."""
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    own = {name for each in cli.params for name in each.opts}
    while words and words[0] in own:
        words = words[2:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            return f"{line}: there is no command {name}"
        command = command.commands[name]
    known = {name: item for item in command.params if isinstance(item, click.Option) for name in item.opts}
    positional = 0
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if not word.startswith("-") or word == "-":
            positional += 1
        elif name not in known and name not in {"-h", "--help", "--version"}:
            return f"{line}: there is no option {name}"
        elif name in known and not known[name].is_flag and not equals:
            if not words:
                return f"{line}: {name} takes a value"
            words.pop(0)
    arguments = [item for item in command.params if isinstance(item, click.Argument)]
    if positional > len(arguments) and all(item.nargs == 1 for item in arguments):
        return f"{line}: too many arguments"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_exist_with_their_options(page: Path) -> None:
    cli = build_cli()
    assert [problem for line in commands_in(page) if (problem := problem_with(line, cli))] == []


WRONG = ("engine rum x", "engine reconcile lst", "engine run x --statr y", "engine run a b c", "engine status --state")


@pytest.mark.parametrize("line", WRONG)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    assert problem_with(line, build_cli())


def test_commands_are_found_at_all() -> None:
    assert len([line for page in DOCS for line in commands_in(page)]) > 40


# Specs and expressions --------------------------------------------------------------------------------------------

SPEC_BLOCKS = [
    (page.stem, found[1], text)
    for page in DOCS
    for text in blocks(page, "yaml")
    if (found := re.match(r"# (\w+)\n", text)) and found[1] in specs.KINDS
]
_AROUND = {"version": 1, "name": "around", "source": {"use": "csv"}, "destination": {"use": "marketo"},
           "mapping": {"fields": {"email": "lead.email"}}}  # fmt: skip


def write_integration(folder: Path, kind: str, text: str) -> Path:
    """An integration made of the block, or around it."""
    if kind != "integration":
        (folder / "part.yaml").write_text(text, "utf-8")
        text = json.dumps({**_AROUND, kind: "part.yaml"})
    path = folder / "integration.yaml"
    path.write_text(text, "utf-8")
    return path


def test_spec_blocks_of_every_kind_are_shown() -> None:
    assert {kind for _, kind, _ in SPEC_BLOCKS} == set(specs.KINDS)


@pytest.mark.parametrize("number", range(len(SPEC_BLOCKS)), ids=lambda number: "-".join(SPEC_BLOCKS[number][:2]))
def test_spec_blocks_load(number: int, tmp_path: Path, acme: ModuleType) -> None:
    _, kind, text = SPEC_BLOCKS[number]
    if kind == "samples":
        (tmp_path / "expo.samples.yaml").write_text(text, "utf-8")
        reader = Reader()
        reader.read(tmp_path / "expo.samples.yaml", kind)
        reader.finish()
        return
    integration = specs.load(write_integration(tmp_path, kind, text))
    if kind == "integration":
        problems = check.check(integration, plugins.load(extra={"acme": acme}))
        assert [str(problem) for problem in problems] == []


@pytest.mark.parametrize("kind", specs.KINDS)
def test_a_spec_block_with_a_slip_does_not_load(kind: str, tmp_path: Path) -> None:
    text = next(text for _, found, text in SPEC_BLOCKS if found == kind)
    with pytest.raises(errors.SpecError):
        specs.load(write_integration(tmp_path, kind, f"{text}\nslip: 1\n"))


def expression_examples() -> list[tuple[str, str]]:
    """The last two cells of each row of a table that ends in an example and its result."""
    found = []
    for line in (ROOT / "docs/expressions.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) > 2 and all(re.fullmatch(r"`.*`", cell) for cell in cells[-2:]):
            found.append((cells[-2].strip("`").replace(r"\|", "|"), cells[-1].strip("`")))
    return found


@pytest.mark.parametrize(("expression", "result"), expression_examples())
def test_expressions_give_what_is_said(generate: ModuleType, expression: str, result: str) -> None:
    assert generate.generate_expressions.evaluate(expression) == json.loads(result)


def test_every_filter_has_a_worked_example() -> None:
    used = {name for expression, _ in expression_examples() for name in re.findall(r"\|\s*(\w+)", expression)}
    assert used == set(plugins.load().filters)


def test_a_filter_is_added_by_the_hook_that_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "hook.py"
    path.write_text(next(text for text in blocks(ROOT / "docs/hooks.md", "python") if "hookimpl" in text), "utf-8")
    loaded = plugins.load(extra={"shown": module_at(path)}, installed=False)
    assert loaded.broken == ()
    assert loaded.filters["initial"]("Ada") == "A"


# The plugin that docs/plugins.md makes ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the page shows, as a folder."""
    folder = tmp_path_factory.mktemp("acme")
    page = ROOT / "docs/plugins.md"
    for text in blocks(page, "python", "toml", "yaml"):
        found = _FILE.search("\n".join(text.splitlines()[:2]))
        if found:
            target = folder / found[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
    (folder / "leads.csv").write_text(blocks(page, "csv")[0], "utf-8")
    return folder


@pytest.fixture
def acme(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(package))
    yield importlib.import_module("engine_acme")
    for name in ("engine_acme", "engine_acme.sandbox"):
        sys.modules.pop(name, None)


@pytest.fixture
def project(package: Path, tmp_path: Path) -> Path:
    for name in ("acme.yaml", "leads.csv"):
        (tmp_path / name).write_text((package / name).read_text("utf-8"), "utf-8")
    return tmp_path


def run_acme(project: Path, acme: ModuleType) -> Summary:
    loaded = plugins.load(extra={"acme": acme}, installed=False)
    assert loaded.broken == ()
    with Store(project / "state.db") as store:
        return Run(specs.load(project / "acme.yaml"), store, loaded).go()


@pytest.fixture
def sandbox(acme: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with acme.AcmeVendor.sandbox() as box:
        for name, value in box.environment().items():
            monkeypatch.setenv(name, value)
        yield box


def test_the_plugin_that_is_shown_delivers(project: Path, acme: ModuleType, sandbox: Any) -> None:
    summary = run_acme(project, acme)
    assert (summary.totals["cleared"], summary.totals["failed"], summary.exit_code) == (2, 1, 1)
    assert summary.written["created"] == 2
    stored = {contact["email"]: contact for contact in sandbox.state()["contacts"]}
    assert stored["ada@example.com"]["full_name"] == "Ada Lovelace"
    assert stored["grace@example.com"]["employer"] == "Compilers Ltd"
    with Store(project / "state.db") as store:
        (failed,) = store.reports.failed(summary.integration)
    assert failed["code"] == "DATA_VALUE_VALIDATION"
    assert "the domain is blocked" in failed["message"]
    before = len(sandbox.calls("upsert"))
    again = run_acme(project, acme)
    assert again.this_run["sent"] == 0
    assert len(sandbox.calls("upsert")) == before


def test_the_plugin_that_is_shown_keeps_what_is_there(project: Path, acme: ModuleType, sandbox: Any) -> None:
    sandbox.load({"contacts": [{"email": "ada@example.com", "employer": "Her own"}]})
    summary = run_acme(project, acme)
    assert summary.written["updated"] == 1
    stored = {contact["email"]: contact for contact in sandbox.state()["contacts"]}
    assert stored["ada@example.com"]["employer"] == "Her own"


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "upsert", "drop": "before"},
        {"match": "upsert", "drop": "after"},
        {"match": "upsert", "truncate": True},
        {"match": "upsert", "status": 502},
        {"match": "fields", "status": 429},
    ],
    ids=str,
)
def test_the_plugin_that_is_shown_survives(
    project: Path, acme: ModuleType, sandbox: Any, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "_sleep", lambda run, seconds: None)
    sandbox.add_fault(**fault)
    summary = run_acme(project, acme)
    with Store(project / "state.db") as store:
        failed = {lead["key"]: lead["message"] for lead in store.reports.failed(summary.integration)}
    assert list(failed) == ["email:mallory@blocked.example"], failed
    assert summary.totals["cleared"] == 2
    assert len(sandbox.state()["contacts"]) == 2


def test_a_wrong_token_stops_the_run_early(
    project: Path, acme: ModuleType, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", "wrong-token")
    summary = run_acme(project, acme)
    assert summary.exit_code == errors.CredentialsError.exit_code
    assert summary.totals["presync"] == 3
    assert len(sandbox.calls()) == 1
    assert "wrong-token" not in json.dumps(summary.as_json())


def test_the_test_that_is_shown_passes(
    project: Path, package: Path, acme: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = vars(module_at(package / "test_acme.py"))
    (test,) = (value for name, value in shown.items() if name.startswith("test_"))
    test(project, monkeypatch)


def test_the_distribution_that_is_shown_names_the_plugin(package: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"][plugins.GROUP] == {"acme": "engine_acme"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["engine_acme"]


# What a page never says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pages_hold_no_private_address(page: Path) -> None:
    text = page.read_text("utf-8")
    for address in re.findall(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)", text):
        # domain.com: what a vendor answers with in place of an address.
        assert re.search(r"(^|\.)example(\.|$)|^domain\.com$", address), f"{named(page)} names an address at {address}"
    assert not re.search(r"(?<![\w.])/(?:home|root|work|tmp|Users)/", text), f"{named(page)} names a path of a machine"
