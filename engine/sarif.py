"""Findings as SARIF 2.1.0, which code hosts show beside the lines of a change.

Source of the format: docs.oasis-open.org/sarif/sarif/v2.1.0
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from engine import __version__
from engine.check_files import level_of, place_of
from engine.errors import AbortRun, SpecError
from engine.findings import FINDINGS

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: Sequence[AbortRun]) -> dict[str, Any]:
    """The log of one check: a rule for each code that occurs, a result for each finding."""
    codes = sorted({_code(finding) for finding in findings})
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "lead-engine",
                        "version": __version__,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, codes) for finding in findings],
            }
        ],
    }


def _code(finding: AbortRun) -> str:
    return (finding.code if isinstance(finding, SpecError) else "") or type(finding).__name__


def _rule(code: str) -> dict[str, Any]:
    known = FINDINGS.get(code)
    rule: dict[str, Any] = {"id": code}
    if known is not None:
        rule["shortDescription"] = {"text": known.meaning}
        rule["help"] = {"text": known.fix}
        rule["defaultConfiguration"] = {"level": known.level}
    return rule


def _result(finding: AbortRun, codes: Sequence[str]) -> dict[str, Any]:
    code, place = _code(finding), place_of(finding)
    message = " ".join(part for part in (f"{finding.what}.", finding.why, finding.fix) if part)
    result: dict[str, Any] = {
        "ruleId": code,
        "ruleIndex": codes.index(code),
        "level": level_of(finding),
        "message": {"text": message},
    }
    if place.path:
        location: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.path)}}
        if place.line:
            location["region"] = {"startLine": place.line, "startColumn": max(1, place.column)}
        result["locations"] = [{"physicalLocation": location}]
    return result


def _uri(path: str) -> str:
    """A path as a URI: relative to the working folder where it lies below it, as code hosts want it."""
    given = Path(path)
    if given.is_absolute():
        try:
            given = given.relative_to(Path.cwd())
        except ValueError:
            return given.as_uri()
    return quote(PurePath(given).as_posix())
