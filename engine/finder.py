"""Collects what is wrong with a spec, each with its place, and finds the adapters that it names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

from engine.adapters import Adapter
from engine.errors import EngineError, SpecError
from engine.expressions import Expression, ExpressionError, Names, function, parse, suggestion
from engine.plugins import Plugins
from engine.settings import is_reference, secret_advice
from engine.specs import Integration


@dataclass
class Finder:
    """The problems of one integration so far."""

    integration: Integration
    plugins: Plugins
    problems: list[SpecError]

    def problem(self, what: str, at: str, fix: str = "", why: str = "") -> None:
        self.problems.append(SpecError(what, where=self.integration.place(at), fix=fix, why=why))

    def adapter(self, find: Callable[[str], type[Adapter]], name: str, config: Mapping[str, Any], at: str) -> Any:
        """Find an adapter and check its configuration; None where there is none."""
        try:
            adapter = find(name)
        except EngineError as error:
            self.problem(error.what, f"{at}.use", error.fix, error.why)
            return None
        literal = {key: value for key, value in config.items() if not is_reference(value)}
        for key in literal.keys() & set(adapter.secrets):
            self.problem(
                f"{at}.config.{key} is a secret written into the spec", f"{at}.config.{key}", secret_advice(key)
            )
        # What a reference stands for is known only when a run starts; here it counts as given.
        required = [key for key in adapter.config_schema.get("required", ()) if key not in config or key in literal]
        validator = jsonschema.Draft202012Validator({**adapter.config_schema, "required": required})
        for found in validator.iter_errors(literal):
            inner = ".".join(["config", *(str(part) for part in found.absolute_path)])
            if found.validator == "additionalProperties" and isinstance(found.schema, Mapping):
                known = found.schema.get("properties", {})
                for extra in [key for key in found.instance if key not in known]:
                    self._unknown(name, extra, known, f"{at}.{inner}")
                continue
            self.problem(f"{name}: {found.message}", f"{at}.{inner}")
        known = adapter.config_schema.get("properties", {})
        if adapter.config_schema.get("additionalProperties") is False:
            for extra in [key for key in config if key not in literal and key not in known]:
                self._unknown(name, extra, known, f"{at}.config")
        return adapter

    def _unknown(self, name: str, extra: str, known: Collection[str], at: str) -> None:
        fix = suggestion(extra, known) or f"Known settings: {', '.join(known) or 'none'}."
        self.problem(f"{name}: unknown setting {extra!r}", f"{at}.{extra}", fix)

    def expression(self, text: str, names: Names, at: str) -> Expression | None:
        try:
            found = parse(text, names)
            function(found, names)
        except (ExpressionError, SyntaxError) as error:
            self.problem(f"{text!r}: {error}", at, getattr(error, "fix", ""))
            return None
        return found
