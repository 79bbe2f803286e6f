"""Reads provider files: YAML that says how one HTTP provider is asked and how its answers are read.

A file is checked against `provider.schema.json` and its JMESPath expressions are compiled, so that whatever is wrong
with it is said with file, line and column before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import jmespath  # type: ignore[import-untyped]
import jmespath.exceptions  # type: ignore[import-untyped]
import orjson
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from engine.errors import Place, SpecError
from engine.limits import Limits

OutcomeName = Literal["hit", "miss", "suppressed", "throttled", "quota", "auth", "bad_request", "error"]
Steps = Sequence[str | int]

#: What `{…}` in a request may name beside inputs and options.
RESERVED = frozenset({"min_score", "required"})
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Query:
    """A compiled JMESPath expression."""

    def __init__(self, expression: str) -> None:
        """Raises jmespath.exceptions.JMESPathError where the expression is none."""
        self._compiled = jmespath.compile(expression)

    def of(self, body: Any) -> Any:
        """What the expression finds in the body; None also where it does not suit the body."""
        try:
            return self._compiled.search(body)
        except jmespath.exceptions.JMESPathError:
            return None


@dataclass(frozen=True, slots=True)
class Auth:
    """Where the API key travels; `name` is the header or query parameter."""

    place: Literal["header", "query", "bearer", "basic"]
    name: str


@dataclass(frozen=True, slots=True)
class Request:
    """The template of the call; `required_names` are the provider's own names by lead field."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, Any]
    json: Any
    required_names: Mapping[str, str]
    required_join: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What an answer is whose status is among `statuses` (empty: any) and for whose body `when` is true (None: any)."""

    statuses: frozenset[int]
    when: Query | None
    outcome: OutcomeName


@dataclass(frozen=True, slots=True)
class Extraction:
    """Where a value is in the body, the characters to take off its ends and the text to put in front."""

    query: Query
    strip: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider file. Costs in the provider's credits, `hit_days` and `miss_days` in days, `scale` the top score."""

    name: str
    version: int
    summary: str
    docs: str
    base_url: str
    auth: Auth
    options: Mapping[str, Mapping[str, Any]]
    inputs: tuple[tuple[str, ...], ...]
    also: tuple[str, ...]
    request: Request
    score: Query | None
    scale: float
    rules: tuple[Rule, ...]
    last_name: Query | None
    full_name: Query | None
    extract: Mapping[str, Extraction]
    placeholders: frozenset[str]
    hit_cost: float
    miss_cost: float
    cost_header: str
    limits: Limits
    hit_days: float
    miss_days: float

    @property
    def config_schema(self) -> dict[str, Any]:
        """The JSON Schema of an enrichment step's configuration."""
        properties = {
            "api_key": {
                "title": "API key",
                "description": f"Key of your account; see {self.docs}.",
                "type": "string",
                "minLength": 1,
                "examples": [{"env": f"{self.name.upper()}_API_KEY"}],
            },
            "base_url": {
                "title": "Base URL",
                "description": "Another address than the provider's own, such as that of a sandbox.",
                "type": "string",
                "pattern": "^https?://",
                "default": self.base_url,
                "examples": ["http://127.0.0.1:8800"],
            },
            "min_confidence": {
                "title": "Least confidence",
                "description": "A match that the provider is less sure of, from 0 to 1, counts as a miss.",
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0,
                "examples": [0.7],
            },
            "limits": {
                "title": "Limits",
                "description": "What your plan allows, where that differs from the smallest plan.",
                **provider_schema()["$defs"]["limits"],
            },
        }
        return {
            "type": "object",
            "additionalProperties": False,
            "required": ["api_key"],
            "properties": properties | dict(self.options),
        }


@lru_cache(maxsize=1)
def provider_schema() -> dict[str, Any]:
    """The JSON Schema of provider files."""
    schema: dict[str, Any] = orjson.loads(resources.files(__package__).joinpath("provider.schema.json").read_bytes())
    return schema


def shipped_files() -> list[Path]:
    """The provider files of this package, by name."""
    return sorted((Path(__file__).parent / "providers").glob("*.yaml"))


def load_provider(path: Path) -> Provider:
    """Read and check a provider file. Raises SpecError naming the file and the place in it."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = "`file` is a path to a YAML file, relative to the spec's folder."
        raise SpecError("the provider file cannot be read", where=str(path), why=str(error), fix=fix) from error
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise SpecError("not valid YAML", where=_mark(path, error), why=str(error).splitlines()[0]) from error
    for problem in sorted(Draft202012Validator(provider_schema()).iter_errors(data), key=lambda found: len(found.path)):
        raise SpecError(problem.message, where=_place(path, text, problem.absolute_path))
    return _Reader(path, text, data).provider()


class _Reader:
    """Builds a Provider from data that fits the schema."""

    def __init__(self, path: Path, text: str, data: Mapping[str, Any]) -> None:
        self._path = path
        self._text = text
        self._data = data

    def provider(self) -> Provider:
        data = self._data
        inputs = tuple(tuple(fields) for fields in data["inputs"]["any_of"])
        also = tuple(data["inputs"].get("also", ()))
        options = data.get("options", {})
        self._check_placeholders({*also, *options, *RESERVED}.union(*inputs))
        return Provider(
            name=data["name"],
            version=data["version"],
            summary=data["summary"],
            docs=data["docs"],
            base_url=data["base_url"],
            auth=Auth(data["auth"]["in"], data["auth"].get("name", "")),
            options=options,
            inputs=inputs,
            also=also,
            request=self._request(),
            score=self._query("confidence", "path"),
            scale=data.get("confidence", {}).get("scale", 1),
            rules=tuple(self._rule(index) for index in range(len(data.get("outcomes", ())))),
            last_name=self._query("identity", "last_name"),
            full_name=self._query("identity", "full_name"),
            extract={field: self._extraction(field) for field in data["extract"]},
            placeholders=frozenset(text.casefold() for text in data.get("placeholders", ())),
            hit_cost=data["cost"]["hit"],
            miss_cost=data["cost"].get("miss", 0),
            cost_header=data["cost"].get("header", "").lower(),
            limits=Limits(**data["limits"]),
            hit_days=data["valid_for"]["hit"],
            miss_days=data["valid_for"]["miss"],
        )

    def _request(self) -> Request:
        request = self._data["request"]
        required = request.get("required", {})
        return Request(
            method=request["method"],
            path=request["path"],
            headers=request.get("headers", {}),
            query=request.get("query", {}),
            json=request.get("json"),
            required_names=required.get("names", {}),
            required_join=required.get("join", ""),
        )

    def _rule(self, index: int) -> Rule:
        rule = self._data["outcomes"][index]
        status = rule.get("status", [])
        statuses = frozenset(status if isinstance(status, list) else [status])
        return Rule(statuses, self._query("outcomes", index, "when"), rule["is"])

    def _extraction(self, field: str) -> Extraction:
        given = self._data["extract"][field]
        steps = ("extract", field) if isinstance(given, str) else ("extract", field, "path")
        query = self._query(*steps)
        assert query is not None  # noqa: S101 - the schema demands it
        more = {} if isinstance(given, str) else given
        return Extraction(query, more.get("strip", ""), more.get("prefix", ""))

    def _query(self, *steps: str | int) -> Query | None:
        """Compile the expression at `steps`, None where there is none."""
        found: Any = self._data
        for step in steps:
            found = found.get(step) if isinstance(found, dict) else found[step]
            if found is None:
                return None
        try:
            return Query(found)
        except jmespath.exceptions.JMESPathError as error:
            why = str(error).splitlines()[0]
            raise SpecError(f"not a JMESPath: {found}", where=_place(self._path, self._text, steps), why=why) from error

    def _check_placeholders(self, known: set[str]) -> None:
        for steps, text in _texts(self._data["request"], ("request",)):
            if steps[1] == "required":
                continue
            for name in PLACEHOLDER.findall(text):
                if name not in known:
                    where = _place(self._path, self._text, steps)
                    fix = f"Known here: {', '.join(sorted(known))}."
                    raise SpecError(f"{{{name}}} is neither an input nor an option", where=where, fix=fix)


def _texts(node: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text in nested data, with the way to it."""
    if isinstance(node, str):
        yield steps, node
    elif isinstance(node, dict):
        for name, child in node.items():
            yield from _texts(child, (*steps, name))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _texts(child, (*steps, index))


def _mark(path: Path, error: YAMLError) -> Place:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return Place(str(path), mark.line + 1, mark.column + 1) if mark else Place(str(path))


def _place(path: Path, text: str, steps: Steps) -> Place:
    """Line and column of what the steps lead to, or of the last of them that exists."""
    node = YAML(typ="safe", pure=True).compose(text)
    for step in steps:
        children = node.value if node is not None else ()
        if isinstance(step, int):
            node = children[step]
        else:
            node = next((value for key, value in children if key.value == step), node)
    mark = getattr(node, "start_mark", None)
    return Place(str(path), mark.line + 1, mark.column + 1) if mark else Place(str(path))
