"""What `engine check` finds: in integrations, in parts of them, and in files of the kinds that plugins bring."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from engine import check as checking
from engine import check_mapping, live, specs
from engine.connection import opened
from engine.errors import AbortRun, Place, SpecError
from engine.expressions import Names
from engine.finder import Finder
from engine.plugins import Plugins
from engine.records import DERIVED_FIELDS, LEAD_FIELDS
from engine.spec_files import kind_of, read_plain, read_text
from engine.specs import Integration, QualifierColumn, SpecErrors
from engine.waterfalls import rehearsed

#: Folders that hold no specs of one's own.
_LEFT_OUT = frozenset({"node_modules", "__samples__", "__snapshots__", "__pycache__", "venv"})
_ENDINGS = frozenset({".yaml", ".yml", ".json"})
#: A file that cannot be read is shown where a line of it looks like one of a spec.
_LIKE_A_SPEC = re.compile(r"(?m)^(version|destination|mapping|matching|enrichment)\s*:")
_LEAD_FIELD = re.compile(r"\blead\.([A-Za-z_]\w*)")
_QUALIFIER = re.compile(r"""\bqualifiers\[\s*(?:'([^']*)'|"([^"]*)")\s*\]""")


@dataclass
class Report:
    """What was found. `checked`: the files; `unset`: environment variables that a run needs; `compared`: accounts."""

    findings: list[AbortRun] = field(default_factory=list)
    checked: list[Path] = field(default_factory=list)
    unset: dict[str, None] = field(default_factory=dict)
    compared: dict[str, None] = field(default_factory=dict)

    def add(self, findings: Sequence[AbortRun]) -> None:
        """Add findings; what several specs share is told once."""
        told = {(str(each.where), each.what) for each in self.findings}
        self.findings += [each for each in findings if (str(each.where), each.what) not in told]

    def count(self, level: str) -> int:
        return sum(level_of(finding) == level for finding in self.findings)

    @property
    def exit_code(self) -> int:
        return min((each.exit_code for each in self.findings if level_of(each) == "error"), default=0)


def level_of(finding: AbortRun) -> str:
    return finding.level if isinstance(finding, SpecError) else "error"


def check_paths(
    paths: Sequence[Path], plugins: Plugins, state: Path, *, ask: bool = False, catalog: Path | None = None
) -> Report:
    """Check files, and all specs in folders. `ask`: compare with what the vendor has now; `catalog`: with that file."""
    report = Report()
    parts: dict[Path, str] = {}
    read: set[Path] = set()
    for path, kind in _specs_at(paths, plugins, report):
        report.checked.append(path)
        if kind == "integration":
            spec = check_integration(path, plugins, state, report, ask=ask, catalog=catalog)
            read |= {Path(place.path).resolve() for place in spec.places.values()} if spec else set()
        elif kind in specs.KINDS:
            parts[path] = kind
        else:
            report.add(plugins.kinds[kind].check(path))
    for path, kind in parts.items():
        if path.resolve() not in read:  # what an integration refers to was checked with it
            report.add(check_part(path, kind, plugins))
    return report


def spec_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files at paths: those that are named, and the specs of the core in folders, also those of older versions."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for found in sorted(files_below(path)):
            try:
                raw, _ = read_plain(found)
            except SpecError:
                continue
            if kind_of(raw) == "integration" or (kind_of(raw) and "version" in raw and "extract" not in raw):
                yield found


def _specs_at(paths: Sequence[Path], plugins: Plugins, report: Report) -> Iterator[tuple[Path, str]]:
    """The spec files at paths, with their kinds; of what is named itself, anything else is taken for an integration."""
    for path in paths:
        if not path.is_dir():
            yield path, _kind_at(path, plugins) or "integration"
            continue
        for found in sorted(files_below(path)):
            try:
                raw, _ = read_plain(found)
            except SpecError as error:
                if error.code in ("yaml-syntax", "stands-twice", "expression-syntax") and resembles(found):
                    report.checked.append(found)
                    report.add([error])
                continue
            kind = _kind(raw, plugins)
            if kind is not None and ("version" in raw or kind == "integration" or kind in plugins.kinds):
                yield found, kind


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder that may be specs by their names, but for those in folders that hold none of one's own."""
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name in _LEFT_OUT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from files_below(entry)
        elif entry.suffix in _ENDINGS and entry.is_file():
            yield entry


def resembles(path: Path) -> bool:
    """Whether a file that cannot be read looks like a spec."""
    try:
        return bool(_LIKE_A_SPEC.search(read_text(path)))
    except SpecError:
        return False


def _kind(raw: dict[str, Any], plugins: Plugins) -> str | None:
    own = next((name for name, kind in plugins.kinds.items() if kind.recognise(raw)), None)
    return own or kind_of(raw)


def _kind_at(path: Path, plugins: Plugins) -> str | None:
    try:
        return _kind(read_plain(path)[0], plugins)
    except SpecError:
        return None  # said when it is checked


def check_integration(
    path: Path, plugins: Plugins, state: Path, report: Report, *, ask: bool = False, catalog: Path | None = None
) -> Integration | None:
    """Add all findings of an integration to a report; returns it where it could be read."""
    found: list[SpecError] = []
    try:
        spec = specs.load(path)
        found = checking.check(spec, plugins)
        if not any(each.level == "error" for each in found):
            found += rehearsed(spec, plugins, time.time, lambda text: None).problems()
        report.add(found)
        report.unset.update(dict.fromkeys(checking.unset_variables(spec)))
        if ask:
            with opened(spec, plugins, state) as connection:
                report.add(live.check(spec, plugins, connection.vendor))
                report.compared[connection.vendor.account] = None
        elif spec.destination.use in plugins.vendors:
            report.add(live.check_saved(spec, plugins, catalog))
    except SpecErrors as error:
        report.add(error.problems)
    except AbortRun as error:
        # What keeps the vendor from being set up has been found already where it stands in the spec.
        if error.where or not found:
            report.add([error])
    else:
        return spec
    return None


def check_part(path: Path, kind: str, plugins: Plugins) -> list[SpecError]:
    """All findings of a part that no integration at hand refers to: its form, and of a mapping what is in its rows.

    Which fields and qualifiers its source has is not known here, so only names that resemble known ones are doubted.
    """
    try:
        spec = specs.load_part(path, kind)
        text = read_text(path)
    except SpecErrors as error:
        return list(error.problems)
    except SpecError as error:
        return [error]
    if kind != "mapping":
        return []
    fields = {*LEAD_FIELDS, *DERIVED_FIELDS}
    fields |= {name for name in _LEAD_FIELD.findall(text) if not get_close_matches(name, fields, n=1, cutoff=0.8)}
    answers = {one or other for one, other in _QUALIFIER.findall(text)}
    answers |= {row.qualifier for row in spec.mapping.qualifiers} | {row.qualifier for row in spec.mapping.programs}
    source = replace(spec.source, qualifiers={name: QualifierColumn(name, ";") for name in answers})
    finder = Finder(replace(spec, source=source, path=Path()), plugins, [])
    # Where tables stand is known by the integration; here, only their names are.
    known: dict[str, dict[str, str]] = {name: {} for name in spec.mapping.tables}
    check_mapping.check(finder, None, Names(fields, answers, plugins.filters, known))
    return finder.problems


def place_of(finding: AbortRun) -> Place:
    """Where a finding stands; line 0 where that is not known."""
    return finding.where if isinstance(finding.where, Place) else Place(str(finding.where or ""))
