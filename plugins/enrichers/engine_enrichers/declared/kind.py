"""Provider files as a kind of spec, for `engine schema` and `engine check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import SpecError
from engine.spec_kinds import SpecKind
from engine.specs import SpecErrors
from engine_enrichers.declared.provider_files import load_provider, provider_schema

CODE = "wrong-provider-file"


def problems(path: Path) -> list[SpecError]:
    """Everything that is wrong with a provider file."""
    found: Sequence[SpecError] = ()
    try:
        load_provider(path)
    except SpecErrors as error:
        found = error.problems
    except SpecError as error:
        found = [error]
    for each in found:
        each.code = each.code or CODE
    return list(found)


def _is_provider(raw: Mapping[str, Any]) -> bool:
    return "extract" in raw and bool({"inputs", "request", "base_url"} & raw.keys())


PROVIDER = SpecKind(
    "provider", "How an enrichment provider is asked over HTTP.", provider_schema, _is_provider, problems
)
