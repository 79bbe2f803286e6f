"""Collects what is wrong with a spec, each with its place, and finds the adapters that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from engine.adapters import Adapter
from engine.errors import EngineError, SpecError
from engine.expressions import Expression, ExpressionError, Names, function, parse, suggestion
from engine.findings import FINDINGS
from engine.plugins import Plugins
from engine.settings import is_reference, secret_advice
from engine.spec_form import misfits
from engine.specs import Integration


@dataclass
class Finder:
    """The problems of one integration so far."""

    integration: Integration
    plugins: Plugins
    problems: list[SpecError]

    def problem(self, code: str, what: str, at: str, fix: str = "", why: str = "") -> None:
        """Add a finding of a kind (see `engine.findings`), which stands at a dotted path of the spec."""
        known = FINDINGS[code]
        where, fix = self.integration.place(at), fix or known.fix
        self.problems.append(SpecError(what, where=where, fix=fix, why=why, code=code, level=known.level))

    def adapter(self, find: Callable[[str], type[Adapter]], name: str, config: Mapping[str, Any], at: str) -> Any:
        """Find an adapter and check its configuration; None where there is none."""
        try:
            adapter = find(name)
        except EngineError as error:
            self.problem("unknown-adapter", error.what, f"{at}.use", error.fix, error.why)
            return None
        literal = {key: value for key, value in config.items() if not is_reference(value)}
        secret = literal.keys() & set(adapter.secrets)
        for key in secret:
            what = f"{at}.config.{key} is a secret written into the spec"
            self.problem("secret-in-spec", what, f"{at}.config.{key}", secret_advice(key))
        for key in _looking_secret(literal.keys() - secret, adapter.config_schema):
            what = f"{at}.config.{key} looks like a secret written into the spec"
            self.problem("secret-in-spec", what, f"{at}.config.{key}", secret_advice(key))
        # What a reference stands for is known only when a run starts, and a secret is not judged: both count as given.
        given = {key: value for key, value in literal.items() if key not in secret}
        required = [key for key in adapter.config_schema.get("required", ()) if key not in config or key in given]
        known = adapter.config_schema.get("properties", {})
        strange = [key for key in config if key not in known] if _closed(adapter.config_schema) else []
        for extra in strange:
            fix = suggestion(extra, known) or f"Known settings: {', '.join(known) or 'none'}."
            self.problem("unknown-setting", f"{name}: unknown setting {extra!r}", f"{at}.config.{extra}", fix)
        required = [key for key in required if not suggestion(key, strange)]
        fitting = {key: value for key, value in given.items() if key not in strange}
        schema = {**adapter.config_schema, "required": required}
        places, path = self.integration.places, self.integration.path
        for found in misfits(fitting, schema, places, path, f"{at}.config"):
            found.what = f"{name}: {found.what.removeprefix(f'{at}.config: ')}"
            found.code = _SETTING_CODES.get(found.code, "wrong-setting")
            self.problems.append(found)
        return adapter

    def expression(self, text: str, names: Names, at: str) -> Expression | None:
        try:
            found = parse(text, names)
            function(found, names)
        except (ExpressionError, SyntaxError) as error:
            code = getattr(error, "code", "") or "expression-syntax"
            self.problem(code, f"{text!r}: {error}", at, getattr(error, "fix", ""))
            return None
        return found


_SETTING_CODES = {"unknown-key": "unknown-setting", "missing-key": "missing-setting"}
_SECRET_NAME = re.compile(r"(?i)(secret|password|passwd|api_?key|access_?token|private_?key)")


def _closed(schema: Mapping[str, Any]) -> bool:
    return schema.get("additionalProperties") is False


def _looking_secret(keys: Collection[str], schema: Mapping[str, Any]) -> list[str]:
    """Settings that an adapter does not know and whose names say that they are secrets: written down all the same."""
    known = schema.get("properties", {})
    return [key for key in sorted(keys) if key not in known and not _closed(schema) and _SECRET_NAME.search(key)]
