"""Turns the data of a provider file, which fits the schema, into a Provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.asking import Price
from engine.limits import Limits
from engine_enrichers.declared.provider import (
    Account,
    Async,
    Auth,
    Batch,
    Before,
    Callback,
    Confidence,
    Cost,
    Extraction,
    Formula,
    InputSet,
    LimitHeaders,
    OAuth,
    Provider,
    Query,
    Request,
    Rule,
    Signature,
)

Data = Mapping[str, Any]

#: The credential of a file that names none.
USUAL_CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "api_key": {"title": "API key", "description": "Key of your account."}
}


def build(data: Data) -> Provider:
    """The provider that the data describes. Nothing in it is compiled yet."""
    valid_for = data["valid_for"]
    required = data.get("required", {})
    limits = data["limits"]
    return Provider(
        name=data["name"],
        version=data["version"],
        summary=data["summary"],
        docs=data["docs"],
        entity=data.get("entity", "person"),
        availability=data.get("availability", "open"),
        base_url=data["base_url"],
        credentials=data.get("credentials", USUAL_CREDENTIALS),
        auth=_auth(data["auth"]),
        options=data.get("options", {}),
        inputs=tuple(_input_set(given, data["request"]) for given in data["inputs"]["any_of"]),
        also=tuple(data["inputs"].get("also", ())),
        required_names=required.get("names", {}),
        required_join=required.get("join", ""),
        before=tuple(_before(given) for given in data.get("before", ())),
        rules=rules(data),
        result=_query(data, "result"),
        confidence=_confidence(data.get("confidence")) or Confidence(),
        identity={name: Query(path) for name, path in data.get("identity", {}).items()},
        extract={name: _extraction(given) for name, given in data["extract"].items()},
        placeholders=frozenset(text.casefold() for text in data.get("placeholders", ())),
        cost=_cost(data["cost"]),
        limits=limits_of(limits, data.get("batch", {}).get("size", 1)),
        limit_headers=_limit_headers(limits.get("headers")),
        limit_body=_query(limits, "body"),
        shared=limits.get("shared", data["name"]),
        hit_days=valid_for["hit"],
        miss_days=valid_for["miss"],
        later=_async(data.get("async")),
        batch=_batch(data.get("batch")),
        account=_account(data.get("account")),
    )


def limits_of(given: Data, batch_size: int) -> Limits:
    """The limits that a file or a step's configuration declares."""
    kept = {key: given[key] for key in ("calls", "window", "concurrency", "daily") if key in given}
    more = tuple((each["calls"], float(each["window"])) for each in given.get("more", ()))
    return Limits(batch_size=batch_size, more=more, **kept)


def price_of(given: Data | None) -> Price | None:
    """The price that a file or a step's configuration declares."""
    return None if given is None else Price(given["amount"], given["currency"])


def rules(data: Data, key: str = "outcomes") -> tuple[Rule, ...]:
    """The rules under a key."""
    found = []
    for rule in data.get(key, ()):
        status = rule.get("status", [])
        statuses = frozenset(status if isinstance(status, list) else [status])
        found.append(Rule(statuses, _query(rule, "when"), rule["is"]))
    return tuple(found)


def _query(data: Data, key: str) -> Query | None:
    return Query(data[key]) if key in data else None


def _auth(given: Data) -> Auth:
    basic = given.get("basic")
    oauth = given.get("oauth")
    return Auth(
        headers=given.get("headers", {}),
        query=given.get("query", {}),
        basic=(basic["user"], basic["password"]) if basic else None,
        oauth=OAuth(oauth["token_url"], oauth.get("scope", ""), oauth.get("client", "form")) if oauth else None,
    )


def _input_set(given: Any, common: Data) -> InputSet:
    if isinstance(given, list):
        return InputSet(tuple(given), _request(common))
    own = given.get("request", {})
    # A body replaces the other kind of body, too.
    base = {
        key: value for key, value in common.items() if not (key in ("json", "form") and own.keys() & {"json", "form"})
    }
    return InputSet(tuple(given["with"]), _request({**base, **own}), own=bool(own))


def _request(given: Data) -> Request:
    return Request(
        method=given["method"],
        path=given["path"],
        query=given.get("query", {}),
        headers=given.get("headers", {}),
        json=given.get("json"),
        form=given.get("form"),
        timeout=float(given.get("timeout", 30)),
    )


def _before(given: Data) -> Before:
    take = {name: Query(path) for name, path in given["take"].items()}
    return Before(_request(given["request"]), rules(given), take, given.get("cost", 0))


def _confidence(given: Data | None) -> Confidence | None:
    if given is None:
        return None
    grades = {grade.casefold(): float(figure) for grade, figure in given.get("map", {}).items()}
    fixed = float(given.get("fixed", 1))
    return Confidence(_query(given, "path"), given.get("taken", ""), float(given.get("scale", 1)), grades, fixed)


def _extraction(given: Any) -> Extraction:
    if isinstance(given, str):
        return Extraction((Query(given),))
    paths = given.get("first_of") or ([given["path"]] if "path" in given else [])
    take = {name: Query(path) for name, path in given.get("take", {}).items()}
    status = given.get("status", {})
    return Extraction(
        queries=tuple(Query(path) for path in paths),
        formula=Formula(given["expression"], take) if "expression" in given else None,
        when=_query(given, "when"),
        map={word.casefold(): str(value) for word, value in given.get("map", {}).items()},
        strip=given.get("strip", ""),
        prefix=given.get("prefix", ""),
        case=given.get("case", ""),
        status=_query(status, "path"),
        status_map={word.casefold(): value for word, value in status.get("map", {}).items()},
        confidence=_confidence(given.get("confidence")),
    )


def _cost(given: Data) -> Cost:
    report = given.get("report", {})
    return Cost(
        hit=given["hit"],
        miss=given.get("miss", 0),
        fields=given.get("fields", {}),
        rules=tuple((Query(rule["when"]), rule["credits"]) for rule in given.get("rules", ())),
        report_header=report.get("header", "").lower(),
        report_path=_query(report, "path"),
        most=given.get("most"),
        price=price_of(given.get("price")),
    )


def _limit_headers(given: Data | None) -> LimitHeaders | None:
    if given is None:
        return None
    return LimitHeaders(given.get("remaining", "").lower(), given.get("reset", "").lower(), given.get("as", "seconds"))


def _async(given: Data | None) -> Async | None:
    if given is None:
        return None
    return Async(
        ticket=_query(given, "ticket"),
        poll=_request(given["poll"]) if "poll" in given else None,
        again=given.get("again", False),
        every=float(given.get("every", 5)),
        longest=float(given.get("longest", 30)),
        timeout=float(given.get("timeout", 600)),
        rules=rules(given),
        result=_query(given, "result"),
        callback=_callback(given.get("callback")),
    )


def _callback(given: Data | None) -> Callback | None:
    if given is None:
        return None
    signed = given.get("signature")
    signature = (
        Signature(signed["header"].lower(), signed["hash"], signed["encoding"], signed["key"]) if signed else None
    )
    return Callback(Query(given["ticket"]), _query(given, "result"), signature)


def _batch(given: Data | None) -> Batch | None:
    if given is None:
        return None
    return Batch(
        size=given["size"],
        request=_request(given["request"]),
        record=given["record"],
        results=Query(given["results"]),
        id=_query(given, "id"),
        rules=rules(given),
        status=_query(given, "status"),
        result=_query(given, "result"),
        rest=rules(given, "rest"),
    )


def _account(given: Data | None) -> Account | None:
    if given is None:
        return None
    return Account(_request(given["request"]), rules(given), _query(given, "balance"))
