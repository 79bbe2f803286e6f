"""How the sandbox reads: the choice of fields, filters, order and pages, the same for every collection.

Source: developer.salesforce.com/docs/marketing/pardot/guide/version5overview (Querying)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from engine.testing.server import Response
from engine_pardot.sandbox_errors import ApiError

_DEFAULT_LIMIT = 200
_MAX_LIMIT = 1000
_MAX_FILTERS = 3
#: The most that `offset`, which is deprecated, skips.
_MAX_OFFSET = 2000
#: Seconds for which a page token can be used.
_TOKEN_LIFE = 4 * 3600.0
_CONTROLS = frozenset({"fields", "limit", "orderBy", "deleted", "offset"})
#: What tells that a query has more records than its pages give.
_CUT_OFF = {"Pardot-Warning": "203;Query Has More Records Than Its Pages Return"}

#: Suffix of a filter → whether a comparison's result (-1, 0, 1) passes it; the longer suffixes first.
_SUFFIXES: Mapping[str, Callable[[int], bool]] = {
    "GreaterThanOrEqualTo": lambda order: order >= 0,
    "GreaterThan": lambda order: order > 0,
    "LessThanOrEqualTo": lambda order: order <= 0,
    "LessThan": lambda order: order < 0,
    "BeforeOrEqualTo": lambda order: order <= 0,
    "Before": lambda order: order < 0,
    "AfterOrEqualTo": lambda order: order >= 0,
    "After": lambda order: order > 0,
}

#: What tells that a record is in the recycle bin.
RECYCLED = {"Pardot-Warning": "201;Record In Recycle Bin"}

Get = Callable[[Mapping[str, Any], str], Any]
Filter = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Collection:
    """What can be asked of one kind of record.

    readable: whether a name can be read. get: the value of a (dotted) name. filters: name → integer, time, text or
    caseless. order: the names to sort by. nullable: the names that can be filtered by having no value.
    """

    readable: Callable[[str], bool]
    get: Get
    filters: Mapping[str, str]
    order: Sequence[str] = ("id",)
    nullable: frozenset[str] = frozenset()


def plain(fields: str, filters: Mapping[str, str], order: Sequence[str] = ("id",)) -> Collection:
    """A collection without objects inside; `fields` are the readable names, with blanks between them."""
    return Collection(frozenset(fields.split()).__contains__, lambda record, name: record.get(name), filters, order)


@dataclass
class _Pages:
    ends: float
    rest: list[dict[str, Any]]
    limit: int
    cut_off: bool = False


class Reader:
    """Answers reads and queries, and keeps the page tokens. Callers hold the sandbox's lock."""

    def __init__(self, now: Callable[[], float], switches: Mapping[str, Any]) -> None:
        self._now = now
        self._switches = switches
        self._pages: dict[str, _Pages] = {}

    def projected(self, record: Mapping[str, Any], names: Sequence[str], collection: Collection) -> dict[str, Any]:
        """The asked fields of one record; a dotted name becomes an object."""
        answer: dict[str, Any] = {}
        for name in names:
            head, _, tail = name.partition(".")
            if tail:
                answer.setdefault(head, {})[tail] = collection.get(record, name)
            else:
                answer[name] = collection.get(record, name)
        return answer

    def single(self, record: Mapping[str, Any], params: Mapping[str, str], collection: Collection) -> Response:
        """A read of one record. Raises ApiError 109 where it is in the recycle bin."""
        names = asked_fields(params.get("fields"), collection)
        if record.get("isDeleted"):
            raise ApiError("109", headers=RECYCLED)
        return Response(200, self.projected(record, names, collection))

    def query(
        self,
        records: Iterable[Mapping[str, Any]],
        params: Mapping[str, str],
        collection: Collection,
        url: str,
    ) -> Response:
        """One page of a query; `url` is the collection's address, for the link to the next page."""
        names = asked_fields(params.get("fields"), collection)
        pages = self._continued(params) if "nextPageToken" in params else self._started(records, params, collection)
        page, pages.rest = pages.rest[: pages.limit], pages.rest[pages.limit :]
        token = self._kept(pages) if pages.rest else None
        answer = {
            "values": [self.projected(record, names, collection) for record in page],
            "nextPageToken": token,
            "nextPageUrl": f"{url}?fields={','.join(names)}&nextPageToken={token}" if token else None,
        }
        return Response(200, answer, _CUT_OFF if pages.cut_off and not pages.rest else {})

    def _started(
        self, records: Iterable[Mapping[str, Any]], params: Mapping[str, str], collection: Collection
    ) -> _Pages:
        found = _sorted(_filtered(records, params, collection), params.get("orderBy"), collection)
        most = int(self._switches["query_records"])
        skipped = _number(params.get("offset", "0"), 0, _MAX_OFFSET, "offset")
        limit = _number(params.get("limit", str(_DEFAULT_LIMIT)), 1, _MAX_LIMIT, "limit")
        return _Pages(self._now() + _TOKEN_LIFE, found[skipped:most], limit, len(found) > most)

    def _continued(self, params: Mapping[str, str]) -> _Pages:
        if set(params) - {"fields", "nextPageToken"}:
            raise ApiError("5", "only fields may be sent with nextPageToken")
        pages = self._pages.get(params["nextPageToken"])
        if pages is None:
            raise ApiError("211")
        if pages.ends <= self._now():
            raise ApiError("210")
        return replace(pages, rest=list(pages.rest))

    def _kept(self, pages: _Pages) -> str:
        token = secrets.token_urlsafe(24)
        self._pages[token] = pages
        return token


def check_asked(text: str | None, collection: Collection) -> None:
    """Raises ApiError where a write, which may ask for nothing, names what cannot be read: then nothing is written."""
    if text:
        asked_fields(text, collection)


def asked_fields(text: str | None, collection: Collection) -> list[str]:
    """The names in a `fields` parameter. Raises ApiError where it is missing or names what cannot be read."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if not names:
        raise ApiError("13", "fields")
    unreadable = [name for name in names if not collection.readable(name)]
    if unreadable:
        raise ApiError("224", ", ".join(unreadable))
    return names


def _number(text: str, least: int, most: int, name: str) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ApiError("5", name)
    return int(text)


def _filtered(
    records: Iterable[Mapping[str, Any]], params: Mapping[str, str], collection: Collection
) -> list[dict[str, Any]]:
    made = [_filter(name, value, collection) for name, value in params.items() if name not in _CONTROLS]
    if len({field for field, _ in made}) > _MAX_FILTERS:
        raise ApiError("209")
    filters = [passes for _, passes in made]
    filters.append(_deleted(params.get("deleted", "false")))
    return [dict(record) for record in records if all(passes(record) for passes in filters)]


def _deleted(text: str) -> Filter:
    if text not in {"all", "true", "false"}:
        raise ApiError("5", "deleted")
    return lambda record: text == "all" or bool(record.get("isDeleted")) == (text == "true")


def _filter(name: str, wanted: str, collection: Collection) -> tuple[str, Filter]:
    """The field that a parameter filters by, and the filter. Raises ApiError 5 for any other parameter."""
    for suffix, empty in (("IsNull", True), ("IsNotNull", False)):
        field = name.removesuffix(suffix)
        if field != name and field in collection.nullable:
            return field, _emptiness(field, empty if wanted == "true" else not empty)
    for suffix, passes in _SUFFIXES.items():
        field = name.removesuffix(suffix)
        if field != name and collection.filters.get(field) in {"integer", "time"}:
            return field, _comparison(field, wanted, passes, collection)
    if name not in collection.filters:
        raise ApiError("5", name)
    return name, _comparison(name, wanted, lambda order: order == 0, collection)


def _emptiness(field: str, empty: bool) -> Filter:
    return lambda record: (record.get(field) is None) == empty


def _comparison(field: str, wanted: str, passes: Callable[[int], bool], collection: Collection) -> Filter:
    kind = collection.filters[field]
    limit = _comparable(wanted, kind, field)

    def applies(record: Mapping[str, Any]) -> bool:
        value = record.get(field)
        if value is None:
            return False
        own = _comparable(value, kind, field)
        return passes((own > limit) - (own < limit))

    return applies


def _comparable(value: Any, kind: str, field: str) -> Any:
    try:
        if kind == "integer":
            return int(value)
        if kind == "time":
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        raise ApiError("5", field) from None
    return str(value).lower() if kind == "caseless" else str(value)


def _sorted(records: list[dict[str, Any]], order: str | None, collection: Collection) -> list[dict[str, Any]]:
    name, _, direction = (order or "id ASC").partition(" ")
    if name not in collection.order or direction.upper() not in {"", "ASC", "DESC"}:
        raise ApiError("5", "orderBy")
    records.sort(
        key=lambda record: (record.get(name) is not None, record.get(name) or 0), reverse=direction.upper() == "DESC"
    )
    return records
