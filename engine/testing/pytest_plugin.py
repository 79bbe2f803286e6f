"""The plugin of pytest: collects the samples and the `tests` of specs, so that they are tried with all other tests.

It is there where this package is installed. A project without samples pays for looking at the names of its files, and
at the text of those that may be specs; everything else is imported when the first sample is met.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from engine.testing.pytest_samples import SpecFile

OPTION = "lead_engine_samples"
_SAMPLES = re.compile(r".+\.samples\.(yaml|yml|json)")
_ENDINGS = frozenset({".yaml", ".yml", ".json"})
#: A list of tests, in block form or in brackets, which a JSON Schema of specs does not have.
_TESTS = re.compile(rb"(?m)(^|[{,\s])[\"']?tests[\"']?\s*:\s*(\[|#.*$|$)")
#: A file that is larger is no spec.
_MAX_BYTES = 4 * 2**20


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(OPTION, "Try the sample leads and tests of Lead Engine's specs.", type="bool", default=True)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    if file_path.suffix not in _ENDINGS or not parent.config.getini(OPTION):
        return None
    is_samples = _SAMPLES.fullmatch(file_path.name) is not None
    if not is_samples and not _may_have_tests(file_path):
        return None
    from engine.testing.pytest_samples import SpecFile, library_of

    if not is_samples and not library_of(parent.config).has_tests(file_path):
        return None
    return SpecFile.from_parent(parent, path=file_path)


def _may_have_tests(path: Path) -> bool:
    try:
        return path.stat().st_size <= _MAX_BYTES and _TESTS.search(path.read_bytes()) is not None
    except OSError:
        return False
