"""Samples and tests of specs as items of pytest: `expo.samples.yaml::expo::complete`.

Snapshots are syrupy's, in the files of `engine test`: `--snapshot-update` accepts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import plugins
from engine.errors import AbortRun
from engine.sample_files import Case, Library, Suite
from engine.sample_runs import tried

_LIBRARY = pytest.StashKey[Library]()


def library_of(config: pytest.Config) -> Library:
    """The specs of this session, each read once."""
    if _LIBRARY not in config.stash:
        config.stash[_LIBRARY] = Library(plugins.load(), [_shown(config.rootpath, config)])
    return config.stash[_LIBRARY]


class Differs(Exception):
    """A sample or a test that came out otherwise, or could not be tried. The text is all that people need."""


class SampleItem(pytest.Function):
    """One sample or test. It is a test function to pytest and to syrupy; its failure is told without a traceback."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, (Differs, AbortRun)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class SpecFile(pytest.File):
    """A samples file, or a spec with tests: the integrations that it is about."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        path = _shown(self.path, self.config)
        try:
            suites = library_of(self.config).suites_of(path)
        except AbortRun as error:
            yield _failing(self, [error])
            return
        for suite, _ in suites:
            yield SpecNode.from_parent(self, name=suite.path.stem, path=suite.path.absolute(), suite=suite, about=path)


class SpecNode(pytest.Collector):
    """An integration within a file: what of that file is tried with it. Snapshots lie beside the integration."""

    def __init__(self, *, suite: Suite, about: Path, **settings: Any) -> None:
        super().__init__(**settings)
        self._suite = suite
        self._about = about

    def collect(self) -> Iterator[pytest.Item]:
        if self._suite.findings:
            yield _failing(self, self._suite.findings)
        for case in self._suite.cases:
            if case.path.resolve() == self._about.resolve():
                make = _expecting if case.is_test else _comparing if _has_syrupy(self.config) else _without_syrupy
                name = case.sample.name.replace("::", ":")
                yield SampleItem.from_parent(self, name=name, callobj=make(self._suite, case))


def _shown(path: Path, config: pytest.Config) -> Path:
    """A path as people type it: from the folder that they are in."""
    folder = config.invocation_params.dir
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _has_syrupy(config: pytest.Config) -> bool:
    return config.pluginmanager.hasplugin("syrupy")


def _failing(parent: pytest.Collector, findings: Sequence[AbortRun]) -> SampleItem:
    """What is wrong with a spec or its samples, as an item: it fails alone, and everything else goes on."""

    def check() -> None:
        raise Differs("\n".join(str(each) for each in findings))

    return SampleItem.from_parent(parent, name="check", callobj=check)


def _expecting(suite: Suite, case: Case) -> Callable[..., None]:
    def expect() -> None:
        if lines := tried(suite, case).lines:
            raise Differs("\n".join(lines))

    return expect


def _comparing(suite: Suite, case: Case) -> Callable[..., None]:
    from engine.testing.pytest_snapshots import SampleSnapshots

    def compare(snapshot: Any) -> None:
        result = tried(suite, case)
        if snapshot.use_extension(SampleSnapshots) != result.content:
            advice = "pytest --snapshot-update accepts it, and so does `engine test --update`"
            raise Differs("\n".join([f"{case.place()}: {result.name}: {result.verdict}", *result.lines, advice]))

    return compare


def _without_syrupy(suite: Suite, case: Case) -> Callable[..., None]:
    def compare() -> None:
        raise Differs("samples are compared by syrupy, which is not there: pip install 'lead-engine[pytest]'")

    return compare
