"""How the sandbox reads: the choice of fields, filters, order and pages, the same for every collection.

Source: developer.salesforce.com/docs/marketing/pardot/guide/version5overview (Querying)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine_pardot.sandbox_errors import ApiError

_DEFAULT_LIMIT = 200
_MAX_LIMIT = 1000
_MAX_FILTERS = 3
#: Seconds for which a page token can be used.
_TOKEN_LIFE = 4 * 3600.0
_CONTROLS = frozenset({"fields", "limit", "orderBy", "deleted"})

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

Get = Callable[[Mapping[str, Any], str], Any]
Filter = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Collection:
    """What can be asked of one kind of record.

    readable: whether a name can be read. get: the value of a (dotted) name. filters: name → integer, time, text or
    caseless. order: the names to sort by.
    """

    readable: Callable[[str], bool]
    get: Get
    filters: Mapping[str, str]
    order: Sequence[str] = ("id",)


@dataclass
class _Pages:
    ends: float
    rest: list[dict[str, Any]]
    limit: int


class Reader:
    """Answers reads and queries, and keeps the page tokens. Callers hold the sandbox's lock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
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

    def query(
        self,
        records: Iterable[Mapping[str, Any]],
        params: Mapping[str, str],
        collection: Collection,
        url: str,
    ) -> dict[str, Any]:
        """One page of a query; `url` is the collection's address, for the link to the next page."""
        names = asked_fields(params.get("fields"), collection)
        if "nextPageToken" in params:
            pages = self._continued(params)
        else:
            found = _sorted(_filtered(records, params, collection), params.get("orderBy"), collection)
            pages = _Pages(self._now() + _TOKEN_LIFE, found, _limit(params.get("limit")))
        page, pages.rest = pages.rest[: pages.limit], pages.rest[pages.limit :]
        token = self._kept(pages) if pages.rest else None
        return {
            "values": [self.projected(record, names, collection) for record in page],
            "nextPageToken": token,
            "nextPageUrl": f"{url}?fields={','.join(names)}&nextPageToken={token}" if token else None,
        }

    def _continued(self, params: Mapping[str, str]) -> _Pages:
        if set(params) - {"fields", "nextPageToken"}:
            raise ApiError("5", "only fields may be sent with nextPageToken")
        pages = self._pages.get(params["nextPageToken"])
        if pages is None:
            raise ApiError("211")
        if pages.ends <= self._now():
            raise ApiError("210")
        return _Pages(pages.ends, list(pages.rest), pages.limit)

    def _kept(self, pages: _Pages) -> str:
        token = secrets.token_urlsafe(24)
        self._pages[token] = pages
        return token


def asked_fields(text: str | None, collection: Collection) -> list[str]:
    """The names in a `fields` parameter. Raises ApiError where it is missing or names what cannot be read."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if not names:
        raise ApiError("13", "fields")
    unreadable = [name for name in names if not collection.readable(name)]
    if unreadable:
        raise ApiError("224", ", ".join(unreadable))
    return names


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_LIMIT:
        raise ApiError("5", "limit")
    return int(text)


def _filtered(
    records: Iterable[Mapping[str, Any]], params: Mapping[str, str], collection: Collection
) -> list[dict[str, Any]]:
    filters = [_filter(name, value, collection) for name, value in params.items() if name not in _CONTROLS]
    if len(filters) > _MAX_FILTERS:
        raise ApiError("209")
    filters.append(_deleted(params.get("deleted", "false")))
    return [dict(record) for record in records if all(passes(record) for passes in filters)]


def _deleted(text: str) -> Filter:
    if text not in {"all", "true", "false"}:
        raise ApiError("5", "deleted")
    return lambda record: text == "all" or bool(record.get("isDeleted")) == (text == "true")


def _filter(name: str, wanted: str, collection: Collection) -> Filter:
    for suffix, passes in _SUFFIXES.items():
        field = name.removesuffix(suffix)
        if field != name and collection.filters.get(field) in {"integer", "time"}:
            return _comparison(field, wanted, passes, collection)
    if name not in collection.filters:
        raise ApiError("5", name)
    return _comparison(name, wanted, lambda order: order == 0, collection)


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
