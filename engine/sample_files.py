"""Sample leads beside specs: finds what is to be tried of which integration.

`expo.samples.yaml` is for the spec `expo.yaml` beside it. The samples and `tests` of a mapping are tried with each
integration that refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import orjson

from engine import check_samples, samples, snapshots
from engine.check import names_of
from engine.check_files import Report, check_integration, files_below, level_of, resembles
from engine.errors import AbortRun, Place, SpecError
from engine.expressions import suggestion
from engine.plugins import Plugins
from engine.samples import Sample
from engine.spec_files import Reader, called, kind_of, read_plain, read_text
from engine.specs import Integration, SpecErrors
from engine.trial import Bench

ENDINGS = (".yaml", ".yml", ".json")
_MARK = ".samples"
#: A key of an integration, and one of a mapping: what has neither is not read as YAML, which takes long.
_TELLING = re.compile(r"\b(destination|fields)\b[\"']?\s*:")


def spec_stem(path: Path) -> str | None:
    """The name, without its ending, of the spec that a file holds samples for; None where it is no samples file."""
    stem = path.stem
    return stem.removesuffix(_MARK) if path.suffix in ENDINGS and stem.endswith(_MARK) and stem != _MARK else None


@dataclass(frozen=True, slots=True)
class Case:
    """One sample, or one test, of an integration. `path`: the file that it stands in; `places`: by dotted path."""

    sample: Sample
    path: Path
    places: Mapping[str, Place]

    @property
    def is_test(self) -> bool:
        return self.sample.expected is not None

    def place(self, part: str = "") -> Place:
        """Where a part of it stands, or the nearest around that."""
        at = f"{self.sample.at}.{part}" if part else self.sample.at
        while at and at not in self.places:
            at = at.rpartition(".")[0]
        return self.places.get(at, Place(str(self.path)))


@dataclass
class Suite:
    """An integration and what can be tried of it. `names`: those of all snapshots that it may have.

    findings: of the integration and of its samples; `notes`: what people should know. complete: whether all its samples
    could be read, so that a snapshot without a sample is stale.
    """

    path: Path
    plugins: Plugins
    spec: Integration | None = None
    findings: list[AbortRun] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    names: dict[str, Case] = field(default_factory=dict)
    complete: bool = True

    @property
    def folder(self) -> Path:
        """Where its snapshots are."""
        return self.path.parent / snapshots.FOLDER / self.path.stem

    @cached_property
    def bench(self) -> Bench:
        """Raises SpecError."""
        assert self.spec is not None  # noqa: S101 - only an integration that could be read has cases
        return Bench(self.spec, self.plugins)

    def snapshot(self, case: Case) -> Path:
        return self.folder / f"{snapshots.file_name(case.sample.name)}.json"

    def stale(self) -> list[Path]:
        """The snapshots that no sample has any more."""
        if self.spec is None or not self.complete or not self.folder.is_dir():
            return []
        return [path for path in _snapshots_in(self.folder) if path.stem.casefold() not in self.names]


@dataclass
class Library:
    """Finds integrations and what is tried of them; what was read is not read again.

    near: folders in which integrations are looked for that use a mapping, beside the mapping's own.
    """

    plugins: Plugins
    near: Sequence[Path] = ()
    _suites: dict[Path, Suite] = field(default_factory=dict)
    _files: dict[Path, tuple[list[Case], list[SpecError]]] = field(default_factory=dict)
    _held: dict[Path, tuple[str | None, bool]] = field(default_factory=dict)

    def suite(self, path: Path) -> Suite:
        """An integration with all that can be tried of it, once its names are checked. Raises nothing."""
        key = path.resolve()
        if key not in self._suites:
            self._suites[key] = self._read(path)
        return self._suites[key]

    def suites_of(self, path: Path) -> list[tuple[Suite, bool]]:
        """The integrations that a spec or a samples file is about, and whether all of each is meant or that file alone.

        Raises SpecError where there is none.
        """
        stem = spec_stem(path)
        spec = self._spec_of(path, stem) if stem is not None else path
        kind = self.kind(spec)
        if kind == "mapping":
            users = self._users(spec)
            if not users:
                what = "a mapping alone cannot be tried, and no integration here refers to it"
                fix = "Name the folder that holds both, or the integration."
                raise SpecError(what, where=str(path), fix=fix, code="wrong-kind")
            return [(suite, False) for suite in users]
        if kind not in (None, "integration"):
            what = f"{'its spec' if stem is not None else 'this'} is {called(str(kind))}; samples are for integrations"
            fix = "Name an integration, or a mapping that one refers to."
            raise SpecError(f"{what} and mappings", where=str(path), fix=fix, code="wrong-kind")
        return [(self.suite(spec), stem is None)]

    def integrations_below(self, folder: Path) -> Iterator[Path]:
        """The integrations in a folder, also those that cannot be read."""
        for path in sorted(files_below(folder)):
            if spec_stem(path) is None and self.kind(path) == "integration":
                yield path

    def kind(self, path: Path) -> str | None:
        """The kind of spec that a file holds. What looks like one and cannot be read counts as an integration."""
        return self._holds(path)[0]

    def has_tests(self, path: Path) -> bool:
        """Whether tests stand in a spec file itself, or in the mapping in it."""
        return self._holds(path)[1]

    # Reading ----------------------------------------------------------------------------------------------------

    def _holds(self, path: Path) -> tuple[str | None, bool]:
        key = path.resolve()
        if key not in self._held:
            self._held[key] = _contents(path)
        return self._held[key]

    def _read(self, path: Path) -> Suite:
        report, suite = Report(), Suite(path, self.plugins)
        suite.spec = check_integration(path, self.plugins, Path(), report)
        suite.findings = [each for each in report.findings if level_of(each) == "error"]
        suite.notes = [each.what for each in report.findings if getattr(each, "code", "") == "old-catalog"]
        if suite.spec is None:
            return suite
        right, spec = not suite.findings, suite.spec
        found = [Case(test, Path(spec.place(test.at).path), spec.places) for test in spec.tests]
        for file in self._samples_for(spec):
            cases, problems = self._samples_in(file)
            suite.findings += problems
            suite.complete &= not problems
            found += cases
        names = names_of(spec, self.plugins)
        for case in found:
            problems = check_samples.problems(case.sample, spec, names, case.place) + _namesakes(suite, case)
            suite.findings += problems
            if right and not problems:
                suite.cases.append(case)
        if suite.names and (other := self._double(path)):
            what = f"{path.name} and {other.name} would have the same snapshots"
            suite.findings.append(SpecError(what, where=str(path), fix="Rename one of them.", code="stands-twice"))
            suite.cases, suite.complete = [], False
        return suite

    def _double(self, path: Path) -> Path | None:
        """An integration that has the name of another one but for its ending, or for capitals."""
        alike = [each for each in sorted(path.parent.iterdir()) if each.stem.casefold() == path.stem.casefold()]
        return next((each for each in alike if each.name != path.name and each.suffix in ENDINGS
                     and self.kind(each) == "integration"), None)  # fmt: skip

    def _samples_for(self, spec: Integration) -> list[Path]:
        """The samples files of an integration: its own, and those of its mapping."""
        mapping = mapping_file(spec)
        specs = [spec.path, mapping] if mapping else [spec.path]
        files = [each.with_name(f"{each.stem}{_MARK}{ending}") for each in specs for ending in ENDINGS]
        return [file for file in files if file.is_file()]

    def _samples_in(self, path: Path) -> tuple[list[Case], list[SpecError]]:
        key = path.resolve()
        if key not in self._files:
            self._files[key] = _read_samples(path)
        return self._files[key]

    def _spec_of(self, path: Path, stem: str) -> Path:
        """The spec that a samples file is for. Raises SpecError."""
        found = [spec for ending in ENDINGS if (spec := path.with_name(stem + ending)).is_file()]
        if not found:
            others = {each.stem for each in path.parent.glob("*") if each.suffix in ENDINGS and spec_stem(each) is None}
            hint = suggestion(stem, others)
            raise SpecError(
                f"there is no spec {stem + path.suffix!r} beside these samples",
                where=str(path),
                fix=f"{hint} " * bool(hint) + "Samples are named like their spec: expo.samples.yaml for expo.yaml.",
                code="unreadable-file",
            )
        if len(found) > 1:
            what = f"these samples may be for {' or '.join(each.name for each in found)}"
            raise SpecError(what, where=str(path), fix="Rename one of the specs.", code="stands-twice")
        return found[0]

    def _users(self, mapping: Path) -> list[Suite]:
        """The integrations that refer to a mapping. One that cannot be read may; what it names is looked at."""
        meant = mapping.resolve()
        near = [each for each in self.near if meant.is_relative_to(each.resolve())]
        found: dict[Path, Suite] = {}
        for path in (path for folder in (mapping.parent, *near) for path in sorted(files_below(folder))):
            if path.resolve() in found or not _mentions(path, mapping.name) or self.kind(path) != "integration":
                continue
            suite = self.suite(path)
            used = mapping_file(suite.spec) if suite.spec else mapping
            if used is not None and used.resolve() == meant:
                found[path.resolve()] = suite
        return list(found.values())


def _namesakes(suite: Suite, case: Case) -> list[SpecError]:
    """What is wrong with a sample whose snapshot would be that of another one."""
    name = snapshots.file_name(case.sample.name)
    other = case if case.is_test else suite.names.setdefault(name.casefold(), case)
    if other is case:
        return []
    what = f"the samples {other.sample.name!r} and {case.sample.name!r} would have one snapshot, {name}.json"
    fix = f"Give one another name; the other stands at {other.place()}."
    return [SpecError(what, where=case.place(), fix=fix, code="stands-twice")]


def mapping_file(spec: Integration) -> Path | None:
    """The file that an integration's mapping stands in, where it is one of its own."""
    path = Path(spec.place("mapping.fields").path)
    return path if path.resolve() != spec.path.resolve() else None


def orphans(folder: Path) -> list[Path]:
    """The snapshots in a folder and below it whose spec is there no more."""
    found = []
    for parent in sorted({folder, *(path.parent for path in files_below(folder))}):
        kept = parent / snapshots.FOLDER
        for inner in sorted(kept.iterdir()) if kept.is_dir() else ():
            owners = [parent / f"{inner.name}{ending}" for ending in (*ENDINGS, ".py")]
            if inner.is_dir() and not any(owner.is_file() for owner in owners):
                found += _snapshots_in(inner)
    return found


def _mentions(path: Path, name: str) -> bool:
    """Whether a file's text has a name in it: far quicker than reading it as YAML."""
    try:
        return name in read_text(path)
    except SpecError:
        return False


def _snapshots_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.json")) if snapshots.is_snapshot(path.read_bytes())]


def _read_samples(path: Path) -> tuple[list[Case], list[SpecError]]:
    """The samples of a file, or what is wrong with its form."""
    reader = Reader()
    try:
        raw = reader.read(path, "samples")
        reader.finish()
    except SpecErrors as error:
        return [], list(error.problems)
    except SpecError as error:
        return [], [error]
    found = [samples.read(name, each, at=f"samples.{name}") for name, each in raw["samples"].items()]
    return [Case(sample, path, reader.places) for sample in found], []


def _contents(path: Path) -> tuple[str | None, bool]:
    """The kind of spec in a file, and whether there are tests in it; of one that cannot be read, there may be."""
    try:
        text = read_text(path)
        if path.suffix == ".json":
            raw = orjson.loads(text)
        elif _TELLING.search(text):
            raw, _ = read_plain(path)
        else:
            return None, False
    except (SpecError, ValueError):
        torn = resembles(path)
        return ("integration" if torn else None), torn
    kind = kind_of(raw) if isinstance(raw, dict) else None
    if kind is None or (kind != "integration" and "version" not in raw):  # saved catalogs have fields, too
        return None, False
    mapping = raw.get("mapping")
    return kind, "tests" in raw or (isinstance(mapping, dict) and "tests" in mapping)
