"""What can be wrong with a provider file that its schema does not see: names, expressions, and what may stand where."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath.exceptions  # type: ignore[import-untyped]
from jmespath.functions import Functions  # type: ignore[import-untyped]

from engine.expressions import ExpressionError, suggestion
from engine.records import EMAIL_STATUSES, LEAD_FIELDS
from engine_enrichers.declared.inputs import INPUTS
from engine_enrichers.declared.provider import Formula, Query
from engine_enrichers.declared.provider_build import USUAL_CREDENTIALS
from engine_enrichers.declared.templates import PLACEHOLDER, names_in, texts

Steps = tuple[str | int, ...]
Data = Mapping[str, Any]

_BRACES = re.compile(r"\{([^{}\s\"]*)\}")
_IN_QUESTIONS = frozenset({"min_score", "required", "callback_url"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, with the way to it in the file."""

    steps: Steps
    what: str
    fix: str = ""


def check(data: Data, *, fits: bool = True) -> list[Problem]:
    """Everything that is wrong with the data of a file. `fits`: whether it is of the schema's shape."""
    found: list[Problem] = []
    for part in (_check_inputs, _check_placeholders, _check_paths, _check_extract, _check_references):
        try:
            found.extend(part(data))
        except (AttributeError, IndexError, KeyError, TypeError):
            if fits:
                raise
            # What has another shape than it must have is said already, and cannot be looked into.
    return found


def _unknown(steps: Steps, what: str, name: str, known: Collection[str]) -> Problem:
    return Problem(steps, f"{name!r} is no {what}", suggestion(name, known) or f"Known: {', '.join(sorted(known))}.")


# Inputs -------------------------------------------------------------------------------------------------------------


def _sets(data: Data) -> Iterator[tuple[Steps, list[str], Data]]:
    """Each set of inputs: the way to it, the inputs, and the keys of a request of its own."""
    for index, given in enumerate(data["inputs"]["any_of"]):
        steps: Steps = ("inputs", "any_of", index)
        if isinstance(given, list):
            yield steps, given, {}
        else:
            yield (*steps, "with"), given["with"], given.get("request", {})


def _check_inputs(data: Data) -> Iterator[Problem]:
    named = [(steps, names) for steps, names, _ in _sets(data)]
    named.append((("inputs", "also"), data["inputs"].get("also", [])))
    for steps, names in named:
        for index, name in enumerate(names):
            if name not in INPUTS:
                yield _unknown((*steps, index), "input", name, INPUTS)
    for steps, names, own in _sets(data):
        path = own.get("path", data["request"]["path"])
        for name in PLACEHOLDER.findall(path):
            if name in INPUTS and name not in names:
                yield Problem(
                    steps,
                    f"the path needs {{{name}}}, which this set of inputs does not have",
                    f"Add {name} to the set, or give the set a request with a path of its own.",
                )
    if data.get("entity") == "verification":
        if any(set(names) != {"email"} for _, names, _ in _sets(data)):
            yield Problem(("inputs", "any_of"), "a verification is asked with [email] alone")
        if set(data["extract"]) != {"email_status"}:
            yield Problem(("extract",), "a verification extracts email_status alone")


# Placeholders -------------------------------------------------------------------------------------------------------


def _check_placeholders(data: Data) -> Iterator[Problem]:
    credentials = set(data.get("credentials", USUAL_CREDENTIALS))
    options = set(data.get("options", {}))
    inputs = {*data["inputs"].get("also", ()), *(name for _, names, _ in _sets(data) for name in names)}
    asked = inputs | options | _IN_QUESTIONS
    for index, call in enumerate(data.get("before", ())):
        yield from _check_request(call["request"], ("before", index, "request"), asked, options)
        asked |= set(call["take"])
    yield from _check_request(data["request"], ("request",), asked, options)
    for index, given in enumerate(data["inputs"]["any_of"]):
        if isinstance(given, dict):
            steps = ("inputs", "any_of", index, "request")
            yield from _check_request(given.get("request", {}), steps, asked, options)
    yield from _check_texts(data["auth"], ("auth",), credentials | options)
    if "poll" in data.get("async", {}):
        yield from _check_request(data["async"]["poll"], ("async", "poll"), options | {"ticket"}, options)
    if "account" in data:
        yield from _check_request(data["account"]["request"], ("account", "request"), options, options)
    if "batch" in data:
        known = options | _IN_QUESTIONS | {"records"}
        yield from _check_request(data["batch"]["request"], ("batch", "request"), known, options)
        yield from _check_texts(data["batch"]["record"], ("batch", "record"), asked | {"record_id"})


def _check_request(request: Data, steps: Steps, known: set[str], in_headers: set[str]) -> Iterator[Problem]:
    for key, node in request.items():
        yield from _check_texts(node, (*steps, key), in_headers if key == "headers" else known)
    if "//" in request.get("path", ""):
        yield Problem((*steps, "path"), "the path has an empty part, or an address in it")


def _check_texts(node: Any, steps: Steps, known: set[str]) -> Iterator[Problem]:
    for place, text in texts(node, steps):
        if "$if_wanted" in place:
            if text not in LEAD_FIELDS:
                yield _unknown(place, "lead field", text, LEAD_FIELDS)
            continue
        for name in _BRACES.findall(text):
            # A text with braces of its own, such as GraphQL, is left alone unless a name stands in them.
            if re.fullmatch(r"\w+", name) and name not in known:
                fix = suggestion(name, known) or f"Known here: {', '.join(sorted(known))}."
                yield Problem(place, f"nothing is known here for {{{name}}}", fix)


# Expressions --------------------------------------------------------------------------------------------------------

#: JMESPath under keys that are something else in other places.
_PLACES: frozenset[Steps] = frozenset({("batch", "status"), ("limits", "body")})
#: The keys whose texts are JMESPath, wherever they stand outside of requests.
_PATHS = frozenset({"when", "path", "ticket", "result", "results", "id", "balance"})
#: What takes a part out of what stands in front of it.
_PARTS = frozenset({"subexpression", "flatten", "filter_projection"})
_LITERAL = frozenset(
    {"request", "poll", "auth", "credentials", "options", "inputs", "record", "map", "signature", "required"}
)


def _paths(node: Any, steps: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Every JMESPath in the file."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from _paths(child, (*steps, index))
    if not isinstance(node, dict):
        return
    for key, child in node.items():
        place = (*steps, key)
        if key in _LITERAL:
            continue
        if isinstance(child, str):
            inside = steps[-1] if steps else ""
            if key in _PATHS or inside in ("take", "identity") or steps == ("extract",) or place in _PLACES:
                yield place, child
        elif key == "first_of":
            yield from (((*place, index), text) for index, text in enumerate(child))
        else:
            yield from _paths(child, place)


def _check_paths(data: Data) -> Iterator[Problem]:
    for steps, text in _paths(data):
        try:
            tree = Query(text).compiled().parsed
        except jmespath.exceptions.JMESPathError as error:
            yield Problem(steps, f"not a JMESPath: {text}", str(error).splitlines()[0])
            continue
        for name in sorted(_functions(tree) - set(Functions.FUNCTION_TABLE)):
            yield _unknown(steps, "function of JMESPath", name, Functions.FUNCTION_TABLE)
        if _asks_of_not(tree):
            yield Problem(steps, f"`!a.b` means `(!a).b`, which is never true: {text}", "Write !(a.b).")


def _nodes(tree: Any) -> Iterator[Any]:
    """A parsed JMESPath and every part of it."""
    yield tree
    for child in tree.get("children", ()):
        if isinstance(child, dict):
            yield from _nodes(child)


def _functions(tree: Any) -> set[str]:
    """The names of the functions that a parsed JMESPath calls."""
    return {node["value"] for node in _nodes(tree) if node.get("type") == "function_expression"}


def _asks_of_not(tree: Any) -> bool:
    """Whether a parsed JMESPath takes a part out of true or false, because `!` binds more closely than what follows."""
    return any(
        node.get("type") in _PARTS and node["children"][0].get("type") == "not_expression" for node in _nodes(tree)
    )


# What is read -------------------------------------------------------------------------------------------------------


def _check_extract(data: Data) -> Iterator[Problem]:
    for field, given in data["extract"].items():
        steps: Steps = ("extract", field)
        if field not in LEAD_FIELDS:
            yield _unknown(steps, "lead field", field, LEAD_FIELDS)
        if isinstance(given, str):
            continue
        ways = [key for key in ("path", "first_of", "expression") if key in given]
        if len(ways) != 1:
            yield Problem(steps, "an extraction has one of path, first_of and expression")
        if ("expression" in given) != ("take" in given):
            yield Problem(steps, "expression and take belong together")
        if "status" in given and field != "email":
            yield Problem((*steps, "status"), "only an email has a status")
        if "expression" in given:
            try:
                Formula(
                    given["expression"], {name: Query(path) for name, path in given.get("take", {}).items()}
                ).compiled()
            except (ExpressionError, SyntaxError) as error:
                yield Problem((*steps, "expression"), str(error), getattr(error, "fix", ""))
        if field == "email_status":
            for word, status in given.get("map", {}).items():
                if status not in EMAIL_STATUSES:
                    yield _unknown((*steps, "map", word), "status of an address", str(status), EMAIL_STATUSES)


# What refers to something else --------------------------------------------------------------------------------------


def _check_references(data: Data) -> Iterator[Problem]:
    for field in data["cost"].get("fields", {}):
        if field not in data["extract"]:
            yield _unknown(("cost", "fields", field), "extracted field", field, data["extract"])
    for field in data.get("required", {}).get("names", {}):
        if field not in data["extract"]:
            yield _unknown(("required", "names", field), "extracted field", field, data["extract"])
    credentials = data.get("credentials", USUAL_CREDENTIALS)
    if "oauth" in data["auth"] and not {"client_id", "client_secret"} <= set(credentials):
        yield Problem(("auth", "oauth"), "OAuth needs the credentials client_id and client_secret")
    for name in data.get("options", {}):
        if name in credentials:
            yield Problem(("options", name), f"{name!r} is a credential already")
    yield from _check_credentials(data, credentials)
    yield from _check_confidence(data)
    yield from _check_async(data, credentials)
    batch = data.get("batch")
    if batch and "{records}" not in {text for _, text in texts(batch["request"])}:
        yield Problem(("batch", "request"), "{records} stands nowhere in the request", "It is the list of the records.")
    if batch and "id" in batch and not any("{record_id}" in text for _, text in texts(batch["record"])):
        yield Problem(
            ("batch", "record"), "{record_id} stands nowhere in the record, but `id` is to be compared with it"
        )


def _check_credentials(data: Data, credentials: Collection[str]) -> Iterator[Problem]:
    used = set(names_in(data["auth"]))
    if "oauth" in data["auth"]:
        used |= {"client_id", "client_secret"}
    used.add(data.get("async", {}).get("callback", {}).get("signature", {}).get("key", ""))
    for name in credentials:
        if name not in used:
            steps: Steps = ("credentials", name) if "credentials" in data else ("auth",)
            yield Problem(steps, f"the credential {name} is used nowhere", f"Put {{{name}}} into auth.")


def _check_confidence(data: Data) -> Iterator[Problem]:
    taken = {name for call in data.get("before", ()) for name in call["take"]}
    later = data.get("async", {})
    own = ((("extract", field), given) for field, given in data["extract"].items() if isinstance(given, dict))
    for steps, part in ((), data), *own:
        name = part.get("confidence", {}).get("taken")
        place: Steps = (*steps, "confidence", "taken")
        if name is not None and name not in taken:
            yield _unknown(place, "name that a call of `before` takes", name, taken)
        elif name is not None and ("poll" in later or "callback" in later):
            yield Problem(place, "what was taken before is no longer known when the answer is collected")


def _check_async(data: Data, credentials: Collection[str]) -> Iterator[Problem]:
    later = data.get("async", {})
    if later and not ("poll" in later or later.get("again") or "callback" in later):
        yield Problem(("async",), "one of poll, again and callback says how the answer is collected")
    if "poll" in later and later.get("again"):
        yield Problem(("async", "again"), "poll and again exclude each other")
    if ("poll" in later or "callback" in later) and "ticket" not in later:
        yield Problem(("async",), "`ticket` is missing: where the first answer names the question")
    if later.get("again") and any(call.get("cost") for call in data.get("before", ())):
        yield Problem(("async", "again"), "the calls before are made again as well, and they cost something")
    signature = later.get("callback", {}).get("signature", {})
    if signature and signature["key"] not in credentials:
        yield _unknown(("async", "callback", "signature", "key"), "credential", signature["key"], credentials)
    asks_back = any(
        "{callback_url}" in text for key in ("request", "before", "inputs", "batch") for _, text in texts(data.get(key))
    )
    if asks_back and "callback" not in later:
        yield Problem(("async",), "{callback_url} stands in the request, but async.callback is missing")
