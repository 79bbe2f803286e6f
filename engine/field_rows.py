"""Field rows as one Python function: each row's expression, checked and cast for the vendor's live field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.casts import CASTS, TEXT_TYPES
from engine.expressions import Expression, Names, parse, suggestion
from engine.filters import fold, text
from engine.records import Answer, Failure, Field, Notice
from engine.specs import FieldRow

#: What a value did not fit, as (field, value, why); the value is None where none could be worked out.
Problems = list[tuple[str, Any, str]]
_Bag = dict[str, Any]
_BAGS = {"overwrite": "out", "if_blank": "blank", "on_create": "fresh"}
#: (lead, answers, out, blank, fresh, bad, cut): fills the bags by how rows are written (`blank`: if blank, `fresh`: on
#: creation), or says in `bad` what does not fit.
Fill = Callable[[Mapping[str, Any], Mapping[str, Answer], _Bag, _Bag, _Bag, Problems, list[Notice]], None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Compiled rows. `lead_fields`: what they read; `reads_blanks`: whether one writes only where nothing stands."""

    fill: Fill
    lead_fields: frozenset[str]
    reads_blanks: bool


def compile_rows(rows: Sequence[FieldRow], names: Names, known: Mapping[str, Field]) -> Rows:
    """Compile rows for the vendor's fields, as far as these are known. Raises ExpressionError."""
    namespace = names.namespace()
    namespace.update({"chosen": chosen, "Exception": Exception, "str": str, "len": len, "cut_text": cut})
    lines = ["def fill(lead, answers, out, blank, fresh, bad, cut):", "    get = lead.get"]
    used: set[str] = set()
    for index, row in enumerate(rows):
        expression = parse(row.value, names)
        condition = parse(row.when, names) if row.when else None
        used |= expression.lead_fields | (condition.lead_fields if condition else frozenset())
        lines += _source(index, row, expression, condition, known.get(row.target), namespace)
    exec("\n".join(lines), namespace)  # noqa: S102 - written here from allow-listed expressions and constants
    return Rows(namespace["fill"], frozenset(used), any(row.write == "if_blank" for row in rows))


def problem(bad: Problems) -> Failure:
    """The failure that the first problem means, saying how many more there are."""
    name, value, why = bad[0]
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    what = why if value is None else f"{shown(value)} {why}"
    return Failure("DATA_VALUE_VALIDATION", f"{name}: {what}{more}", field=name)


def shown(value: Any) -> str:
    found = repr(text(value))
    return found if len(found) <= 60 else f"{found[:57]}…'"


def refused(target: str, known: Mapping[str, Field]) -> Failure | None:
    """Why a field cannot be written at all, or None."""
    field = known.get(target)
    if field is None:
        hint = suggestion(target, known)
        message = f"the vendor has no field {target!r}" + (f". {hint}" if hint else "")
        return Failure("MISSING_REMOTE_FIELD", message, field=target)
    if not field.writable:
        why = f": {field.note}" if field.note else ""
        return Failure("MISSING_REMOTE_FIELD", f"the vendor's field {target!r} cannot be written{why}", field=target)
    return None


def too_long(value: str, field: Field) -> str:
    """Why a text does not fit into a field, or ''. A character takes at most four bytes, so most are not encoded."""
    if field.length is not None and len(value) > field.length:
        return f"is longer than the {field.length} characters of the field"
    if field.max_bytes is not None and len(value) * 4 > field.max_bytes and len(value.encode()) > field.max_bytes:
        return f"is longer than the {field.max_bytes} bytes of the field"
    return ""


def replacer(values: Mapping[str, Any]) -> Callable[[Any], Any]:
    """A function that gives what a row writes instead of a value: that of the same text, or else of the same but for
    case and white space; a value that stands in none is left as it is.
    """
    exact = {given: text(new) for given, new in values.items()}
    folded: dict[str, str] = {}
    for given, new in exact.items():
        folded.setdefault(fold(given), new)

    def instead(value: Any) -> Any:
        written = text(value)
        if not written:
            return value
        return exact[written] if written in exact else folded.get(fold(written), value)

    return instead


def chosen(value: Any, options: Collection[str]) -> Any:
    """The value, which must be one of the field's options; raises ValueError where it is none."""
    if text(value) not in options:
        raise ValueError("is not among the options of the field")
    return value


def cut(value: str, field: Field, notices: list[Notice]) -> str:
    """The text cut to what the field holds, with a notice where that took something away."""
    if not too_long(value, field):
        return value
    kept = value[: field.length] if field.length is not None else value
    if field.max_bytes is not None:
        kept = kept.encode()[: field.max_bytes].decode(errors="ignore")
    what = f"{field.name}: cut from {len(value)} to {len(kept)} characters"
    notices.append(Notice("VALUE_TRUNCATED", what, field.name))
    return kept


def fitter(remote: Field | None) -> Callable[[Any], Any]:
    """A function that casts a value to a field's type and refuses, by ValueError, what the field does not take."""
    if remote is None:
        return text
    cast: Callable[[Any], Any] = CASTS.get(remote.type, text)

    def fit(value: Any) -> Any:
        found = cast(value)
        if isinstance(found, str) and (why := too_long(found, remote)):
            raise ValueError(why)
        return chosen(found, remote.options) if remote.options else found

    return fit


def _source(
    index: int,
    row: FieldRow,
    expression: Expression,
    condition: Expression | None,
    remote: Field | None,
    namespace: dict[str, Any],
) -> list[str]:
    """The Python lines of one row. An empty value sends no key, or clears where the row says so; 0 is a value."""
    kind = row.type or (remote.type if remote else "string")
    bag = _BAGS[row.write]
    target = repr(row.target)
    body = [f"v = {expression.source}"]
    if row.values:
        namespace[f"instead{index}"] = replacer(row.values)
        body += [f"v = instead{index}(v)"]
    if row.default is not None:
        body += ["if v is None or v == '' or v == []:", f"    v = {row.default!r}"]
    if kind in TEXT_TYPES or kind not in CASTS:
        body += ["if v.__class__ is not str:", "    v = text(v)", "if v:"]
        body += [f"    {line}" for line in _storing(index, row, target, bag, remote, namespace)]
    else:
        namespace[f"cast{index}"] = CASTS[kind]
        store = f"{bag}[{target}] = cast{index}(v)"
        if options := row.options or (remote.options if remote else ()):
            namespace[f"options{index}"] = frozenset(options)
            store = f"{bag}[{target}] = chosen(cast{index}(v), options{index})"
        body += ["if v is not None and v != '' and v != []:", f"    {store}"]
    if row.empty == "clear":
        body += ["else:", f"    {bag}[{target}] = None"]
    if condition is not None:
        body = [f"if {condition.source}:", *(f"    {line}" for line in body)]
    return [
        "    v = None",
        "    try:",
        *(f"        {line}" for line in body),
        "    except Exception as error:",
        f"        bad.append(({target}, v, str(error)))",
    ]


def _storing(
    index: int, row: FieldRow, target: str, bag: str, remote: Field | None, namespace: dict[str, Any]
) -> list[str]:
    """The lines that store the text `v`, checked against the field's options and size."""
    store = [f"{bag}[{target}] = v"]
    if options := row.options or (remote.options if remote else ()):
        namespace[f"options{index}"] = frozenset(options)
        store = [f"if v in options{index}:", f"    {store[0]}", "else:",
                 f"    bad.append(({target}, v, 'is not among the options of the field'))"]  # fmt: skip
    if remote is None or (remote.length is None and remote.max_bytes is None):
        return store
    # Compared with the smallest length that can be too much, so that most values cost one comparison.
    least = min(remote.length if remote.length is not None else 2**31, (remote.max_bytes or 2**31) // 4)
    namespace[f"field{index}"] = remote
    if row.too_long == "truncate":
        return [f"if len(v) > {least}:", f"    v = cut_text(v, field{index}, cut)", *store]
    namespace["too_long"] = too_long
    return [
        f"why = len(v) > {least} and too_long(v, field{index})",
        "if why:",
        f"    bad.append(({target}, v, why))",
        "else:",
        *(f"    {line}" for line in store),
    ]
