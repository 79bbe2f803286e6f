"""Expressions: Jinja's grammar, an allow-list over the parsed tree, and Python source for one compiled function.

An expression sees `lead` (the lead's fields, text) and `qualifiers` (the answers, text or a list of texts). Nothing in
it can reach a Python object: a name after a dot is always a key of a dictionary. Lead values are data, never parsed.
A known but empty value is an empty text; an unknown name is an error when the spec is read.

No result is large: texts, lists and numbers have their bounds, which are looked at before a larger one is made. The
number of filters is bounded too, and with it the time that one lead can take.
"""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from engine import filters as _filters
from engine.errors import SpecError
from engine.operators import HELPERS

SYNTAX = "expression-syntax"
UNKNOWN = "unknown-name"
MAX_SOURCE = 2_000
MAX_DEPTH = 40
MAX_FILTERS = 50

_BINARY: Mapping[type[nodes.Node], str] = {
    nodes.Add: "add({}, {})",
    nodes.Sub: "subtract({}, {})",
    nodes.Div: "divide({}, {})",
    nodes.FloorDiv: "divide_whole({}, {})",
    nodes.And: "({} and {})",
    nodes.Or: "({} or {})",
}
_COMPARE = {"eq": "==", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<=", "in": "in", "notin": "not in"}
#: Calls, so that the source of what is tested stands in them once: tests of tests would else double it each time.
_TESTS = {"blank": "is_blank({})", "defined": "not is_blank({})", "none": "is_none({})"}

#: What people call the parts of Jinja's grammar that they reach for.
_REFUSED = {"Call": "a call", "Mul": "multiplication", "Pow": "a power", "Mod": "%", "Slice": "a slice",
            "Dict": "a mapping", "Test": "this test", "Getattr": "a name after a value",
            "Getitem": "a part of a value"}  # fmt: skip


class ExpressionError(SpecError):
    """An expression is not allowed or not understood.

    `fix` says what to write instead, where that is known; `code` names the kind of finding (see `engine.findings`).
    As text, it is only what is wrong: who knows where the expression stands tells that, and the fix.
    """

    def __init__(self, what: str, fix: str = "", *, code: str = "forbidden-expression") -> None:
        super().__init__(what, fix=fix, code=code)

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: its text, the Python source of its value, and the names that it reads."""

    text: str
    source: str
    lead_fields: frozenset[str]
    qualifiers: frozenset[str]


class Names:
    """What expressions may refer to: lead fields, qualifiers, filters and lookup tables.

    `tables`: what each table has by folded key, or why it cannot be read. Such a table is known all the same; a lookup
    in it fails.
    """

    def __init__(
        self,
        fields: Collection[str],
        qualifiers: Collection[str] = (),
        filters: Mapping[str, Callable[..., Any]] | None = None,
        tables: Mapping[str, Mapping[str, str] | SpecError] | None = None,
    ) -> None:
        self.fields = frozenset(fields)
        self.qualifiers = frozenset(qualifiers)
        self.filters = dict(_filters.BUILT_IN if filters is None else filters)
        self.tables = dict(tables or {})

    def namespace(self) -> dict[str, Any]:
        """The globals of generated code: nothing but the filters, the tables and a few helpers."""
        found: dict[str, Any] = {f"f_{name}": function for name, function in self.filters.items()}
        return {"__builtins__": {}, **found, **HELPERS, "tables": self.tables}


def suggestion(name: str, known: Collection[str]) -> str:
    """A "did you mean" sentence for a name that is not among the known ones, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else ""


_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 - used for its grammar; nothing is rendered


def parse(source: str, names: Names) -> Expression:
    """Check one expression and translate it. Raises ExpressionError."""
    if len(source) > MAX_SOURCE:
        raise ExpressionError(f"an expression may have {MAX_SOURCE} characters, this one has {len(source)}")
    if not source.strip():
        raise ExpressionError("the expression is empty", "Write a lead field, as in `lead.email`.", code=SYNTAX)
    if source.lstrip().startswith(("{{", "{%", "{#")):
        what = "braces belong to templates, and this is an expression"
        raise ExpressionError(what, "Write the bare expression, without braces.", code=SYNTAX)
    try:
        parser = Parser(_ENVIRONMENT, source, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionError(f"unexpected {parser.stream.current.value!r}", _advice(source), code=SYNTAX)
    except TemplateSyntaxError as error:
        said = (error.message or "").replace("end of template", "end").rstrip(".")
        raise ExpressionError(f"syntax: {said}", _advice(source), code=SYNTAX) from error
    except RecursionError as error:
        raise ExpressionError("the expression is nested too deeply") from error
    except ValueError as error:  # digits that Python refuses to read, or to show
        raise ExpressionError("the number is too large") from error
    writer = _Writer(names)
    code = writer.write(tree, 0)
    return Expression(source, code, frozenset(writer.lead_fields), frozenset(writer.qualifiers))


def _advice(source: str) -> str:
    """What to do about an expression that is not understood, as far as its text tells."""
    if "{" in source:
        return "Write the bare expression, without braces."
    if any(quote in source for quote in "“”„‘’«»"):
        return "Use straight quotes: 'text'."
    if re.search(r"[^=!<>]=[^=]", source):
        return "Compare with ==."
    return ""


def function(expression: Expression, names: Names) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Any]:
    """Compile one expression on its own, as `function(lead, qualifiers)`."""
    namespace = names.namespace()
    exec(  # noqa: S102 - the source was written by _Writer from allow-listed nodes
        f"def value(lead, answers):\n    get = lead.get\n    return {expression.source}", namespace
    )
    compiled: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] = namespace["value"]
    return compiled


def _constant(value: str | float | bool | None) -> str:
    """A constant as Python source; refused where it could be written to no vendor."""
    large = value.bit_length() > _MAX_BITS if isinstance(value, int) else False
    if large or (isinstance(value, float) and not math.isfinite(value)):
        raise ExpressionError("the number is too large")
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise ExpressionError("half of a surrogate pair is no character")
    return repr("" if value is None else value)


_MAX_BITS = (10**_filters.MAX_DIGITS).bit_length()
_UNKNOWN = object()


def _known(node: nodes.Node) -> Any:
    """The value of a constant, or _UNKNOWN."""
    match node:
        case nodes.Const(value=value):
            return "" if value is None else value
        case nodes.Neg(node=nodes.Const(value=int() | float() as value)):
            return -value
    return _UNKNOWN


class _Writer:
    """Writes Python source for an allow-listed tree; every other node is refused by name."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.lead_fields: set[str] = set()
        self.qualifiers: set[str] = set()
        self._filters = 0

    def write(self, node: nodes.Node, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply")
        inner = depth + 1
        match node:
            case nodes.Const(value=value) if value is None or isinstance(value, (str, int, float, bool)):
                return _constant(value)
            case nodes.Getattr(node=nodes.Name(name=owner), attr=attribute):
                return self._look_up(owner, attribute)
            case nodes.Getitem(node=nodes.Name(name=owner), arg=nodes.Const(value=str(key))):
                return self._look_up(owner, key)
            case nodes.Name(name=name):
                known = ("lead", "qualifiers")
                if name in known:
                    raise ExpressionError(f"{name!r} needs a name after it", f"Write `{name}.…`.", code=UNKNOWN)
                fix = (
                    f"Write `lead.{name}`."
                    if name in self.names.fields
                    else f"A fixed text has two pairs of quotes: \"'{name}'\"."
                )
                raise ExpressionError(f"unknown name {name!r}", fix, code=UNKNOWN)
            case nodes.Filter():
                return self._filter(node, inner)
            case nodes.Test(name=name, node=tested, args=[]) if name in _TESTS:
                code = self.write(tested, inner)
                return f"({_TESTS[name].format(code)})"
            case nodes.CondExpr(test=test, expr1=yes, expr2=no):
                other = self.write(no, inner) if no is not None else "''"
                return f"({self.write(yes, inner)} if {self.write(test, inner)} else {other})"
            case nodes.Concat(nodes=parts):
                return f"cat({', '.join(self.write(part, inner) for part in parts)})"
            case nodes.Not(node=negated):
                return f"(not {self.write(negated, inner)})"
            case nodes.Neg(node=negated):
                return f"(-{self.write(negated, inner)})"
            case nodes.Compare(expr=left, ops=operands):
                code = self.write(left, inner)
                return f"({code}{''.join(f' {_COMPARE[op.op]} {self.write(op.expr, inner)}' for op in operands)})"
            case nodes.List(items=items) | nodes.Tuple(items=items):
                listed = ", ".join(self.write(item, inner) for item in items)
                return f"[{listed}]" if all(isinstance(item, nodes.Const) for item in items) else f"items({listed})"
            case nodes.BinExpr() if type(node) in _BINARY:
                return _BINARY[type(node)].format(self.write(node.left, inner), self.write(node.right, inner))
        what = _REFUSED.get(type(node).__name__, type(node).__name__)
        raise ExpressionError(
            f"{what} is not allowed in an expression",
            "Allowed are lead.…, qualifiers['…'], constants, filters, ~ + - / //, comparisons, and/or/not, if-else.",
        )

    def _look_up(self, owner: str, key: str) -> str:
        if owner == "lead":
            if key not in self.names.fields:
                fix = suggestion(key, self.names.fields)
                raise ExpressionError(f"unknown lead field {key!r}", fix, code="unknown-lead-field")
            self.lead_fields.add(key)
            return f"get({key!r}, '')"
        if owner == "qualifiers":
            if key not in self.names.qualifiers:
                fix = suggestion(key, self.names.qualifiers)
                raise ExpressionError(f"unknown qualifier {key!r}", fix, code="unknown-qualifier")
            self.qualifiers.add(key)
            return f"answers.get({key!r}, '')"
        raise ExpressionError(f"unknown name {owner!r}", suggestion(owner, ("lead", "qualifiers")), code=UNKNOWN)

    def _filter(self, node: nodes.Filter, depth: int) -> str:
        name = node.name
        call = self.names.filters.get(name)
        if call is None or not (name.isascii() and name.isidentifier()):
            fix = suggestion(name, self.names.filters)
            raise ExpressionError(f"unknown filter {name!r}", fix, code="unknown-filter")
        if node.node is None or node.dyn_args or node.dyn_kwargs:
            raise ExpressionError("a filter takes plain arguments only", code="filter-arguments")
        self._filters += 1
        if self._filters > MAX_FILTERS:
            raise ExpressionError(f"an expression may have {MAX_FILTERS} filters")
        given = {str(pair.key): pair.value for pair in node.kwargs}
        bound = _bound(name, call, node, given)
        if call is _filters.BUILT_IN["lookup"]:
            fallback = [self.write(bound["default"], depth)] if "default" in bound else []
            return f"f_lookup({', '.join([self.write(bound['value'], depth), self._table(bound['table']), *fallback])})"
        _try_arguments(name, call, node.args, given)
        arguments = [self.write(argument, depth) for argument in (node.node, *node.args)]
        arguments += [f"{key}={self.write(argument, depth)}" for key, argument in given.items()]
        code = f"f_{name}({', '.join(arguments)})"
        # What the built-in filters give is bounded by themselves.
        return code if call is _filters.BUILT_IN.get(name) else f"checked({code})"

    def _table(self, node: nodes.Node) -> str:
        """The lookup table that an argument names."""
        name = _known(node)
        if not isinstance(name, str):
            what = "the filter 'lookup': the name of the table is a text in quotes"
            raise ExpressionError(what, "Write it as in `lookup('regions')`.", code="filter-arguments")
        if name not in self.names.tables:
            fix = suggestion(name, self.names.tables)
            raise ExpressionError(f"unknown lookup table {name!r}", fix, code="unknown-table")
        return f"tables[{_constant(name)}]"


def _bound(
    name: str, call: Callable[..., Any], node: nodes.Filter, given: Mapping[str, nodes.Node]
) -> Mapping[str, nodes.Node]:
    """A filter's value and arguments by parameter. Raises ExpressionError where it does not take them."""
    try:
        parameters = inspect.signature(call)
    except (TypeError, ValueError):  # written in C: which ones it takes is not told
        if node.args or node.kwargs:
            what = f"the filter {name!r}: it does not tell which arguments it takes"
            raise ExpressionError(what, code="filter-arguments") from None
        return {}
    try:
        if len(given) < len(node.kwargs):
            raise TypeError("an argument is given twice")
        if strange := [key for key in given if key not in parameters.parameters]:
            raise TypeError(f"got an unexpected keyword argument {strange[0]!r}")
        return parameters.bind(node.node, *node.args, **given).arguments
    except TypeError as error:
        raise ExpressionError(f"the filter {name!r}: {error}", code="filter-arguments") from error


def _try_arguments(
    name: str, call: Callable[..., Any], args: Sequence[nodes.Node], given: Mapping[str, nodes.Node]
) -> None:
    """Raise ExpressionError where a filter refuses constant arguments, whatever the value."""
    values, named = [_known(each) for each in args], {key: _known(each) for key, each in given.items()}
    if not (values or named) or any(each is _UNKNOWN for each in (*values, *named.values())):
        return
    try:
        call("", *values, **named)
    except _filters.ArgumentError as error:
        raise ExpressionError(f"the filter {name!r}: {error}", code="filter-arguments") from error
    except Exception:  # what it says of an empty value tells nothing of its arguments
        return
