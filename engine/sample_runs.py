"""Tries samples and tests of specs, compares with what was accepted before, and accepts what is new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.check_files import Report, files_below
from engine.errors import AbortRun, Place, SpecError
from engine.expectations import unmet
from engine.files import replace_text
from engine.plugins import Plugins
from engine.sample_files import ENDINGS, Case, Library, Suite, orphans, spec_stem
from engine.snapshots import content, difference

Verdict = Literal["pass", "changed", "new", "failed"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a sample or a test came out. `lines` say what differs; `content` is what its `snapshot` would be."""

    spec: Path
    name: str
    verdict: Verdict
    place: Place
    lines: tuple[str, ...] = ()
    snapshot: Path | None = None
    content: bytes = b""

    @property
    def kind(self) -> Literal["sample", "test"]:
        return "test" if self.snapshot is None else "sample"


@dataclass
class Tested:
    """What came of all that was tried. `stale`: snapshots without a sample; `notes`: what people should know."""

    results: list[Result] = field(default_factory=list)
    stale: list[Path] = field(default_factory=list)
    report: Report = field(default_factory=Report)
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        return bool(self.stale) or any(result.verdict != "pass" for result in self.results)

    @property
    def exit_code(self) -> int:
        return self.report.exit_code or int(self.differs)


def tried(suite: Suite, case: Case) -> Result:
    """Try one sample or test of an integration. Raises AbortRun where a plugin cannot go on."""
    trial = suite.bench.try_out(case.sample)
    name, expected = case.sample.name, case.sample.expected
    if expected is not None:
        assert suite.spec is not None  # noqa: S101 - it has cases
        lines = tuple(f"{case.place()}: {name}: {line}" for line in unmet(expected, trial, suite.spec.mapping))
        return Result(suite.path, name, "failed" if lines else "pass", case.place(), lines)
    made, path = content(trial), suite.snapshot(case)
    if not path.is_file():
        return Result(suite.path, name, "new", case.place(), tuple(difference(b"{}", made)), path, made)
    recorded = path.read_bytes()
    lines = () if recorded == made else tuple(difference(recorded, made))
    return Result(suite.path, name, "changed" if lines else "pass", case.place(), lines, path, made)


def try_paths(paths: Sequence[Path], plugins: Plugins) -> Tested:
    """Try all samples and tests of the specs, samples files and folders at paths. What is wrong hides nothing else."""
    folders = [path for path in paths if path.is_dir()]
    library, tested = Library(plugins, [*folders, Path()]), Tested()
    meant: dict[Path, tuple[Suite, set[Path] | None]] = {}
    for file in dict.fromkeys(file for path in paths for file in _files(path, library)):
        try:
            suites = library.suites_of(file)
        except SpecError as error:
            tested.report.add([error])
            continue
        for suite, whole in suites:
            _, files = meant.get(suite.path.resolve(), (suite, set()))
            meant[suite.path.resolve()] = suite, None if whole or files is None else files | _about(file)
    for suite, files in meant.values():
        _try_suite(suite, files, tested)
    tested.stale += [path for folder in folders for path in orphans(folder) if path not in tested.stale]
    return tested


def _files(path: Path, library: Library) -> Iterator[Path]:
    """What is tried of a path: itself; of a folder its integrations, samples files, and mappings with tests."""
    if not path.is_dir():
        yield path
        return
    yield from library.integrations_below(path)
    for file in sorted(files_below(path)):
        if spec_stem(file) is not None or (library.kind(file) == "mapping" and library.has_tests(file)):
            yield file


def _about(file: Path) -> set[Path]:
    """The files whose cases are meant where one is named: a spec stands for its samples files, too."""
    beside = [file.with_name(f"{file.stem}.samples{ending}") for ending in ENDINGS] if spec_stem(file) is None else []
    return {each.resolve() for each in (file, *beside)}


def _try_suite(suite: Suite, files: set[Path] | None, tested: Tested) -> None:
    """Try the cases of a suite that stand in `files`, or all."""
    tested.report.checked.append(suite.path)
    tested.report.add(suite.findings)
    cases = [case for case in suite.cases if files is None or case.path.resolve() in files]
    for case in cases:
        try:
            tested.results.append(tried(suite, case))
            tested.notes |= dict.fromkeys(f"{suite.path}: {note}" for note in (*suite.notes, *suite.bench.notes))
        except AbortRun as error:
            tested.report.add([error])
    tested.stale += suite.stale()


def accept(tested: Tested) -> tuple[list[Path], list[Path]]:
    """Write what is new or has changed, and delete what is stale; returns the files of both. Raises OSError."""
    written: list[Path] = []
    for result in tested.results:
        if result.snapshot is not None and result.verdict != "pass":
            result.snapshot.parent.mkdir(parents=True, exist_ok=True)
            replace_text(result.snapshot, result.content.decode())
            written.append(result.snapshot)
    for path in tested.stale:
        path.unlink()
        for folder in (path.parent, path.parent.parent):
            if not any(folder.iterdir()):
                folder.rmdir()
    return written, tested.stale
