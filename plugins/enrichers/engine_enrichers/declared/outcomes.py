"""What kind an answer is, by its status and its body, and how long the provider wants to be left alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from engine.asking import AnswerClass
from engine.http import Reply
from engine_enrichers.declared.costs import number
from engine_enrichers.declared.provider import LimitHeaders, Query, Rule

_BY_STATUS: Mapping[int, AnswerClass] = {
    204: "miss",
    **dict.fromkeys((400, 404, 405, 406, 409, 410, 413, 415, 422), "bad_request"),
    401: "auth",
    402: "quota",
    403: "auth",
    429: "throttled",
    451: "suppressed",
}
#: Seconds to wait where the provider names none, and the most that one call is put off.
_USUAL_WAIT = 5.0
_LONGEST_WAIT = 3600.0
#: A longer pause than a month is a misread header.
_LONGEST_PAUSE = 31 * 86400.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of an answer; `ruled`: a rule of the file says so; `whole`: it could be read as far as it matters."""

    outcome: AnswerClass
    ruled: bool
    whole: bool = True


def classify(rules: Sequence[Rule], status: int, body: Any, *, later: bool) -> Verdict:
    """The outcome by the file's rules, then by what statuses mean everywhere. `later`: answers may be pending."""
    for rule in rules:
        if (not rule.statuses or status in rule.statuses) and (rule.when is None or rule.when.holds(body)):
            return Verdict(rule.outcome, ruled=True)
    if status == 202:
        return Verdict("pending" if later else "error", ruled=False)
    return Verdict(_BY_STATUS.get(status, "hit" if 200 <= status < 300 else "error"), ruled=False)


def judge(rules: Sequence[Rule], reply: Reply, body: Any, *, later: bool) -> Verdict:
    """As `classify`, for a whole call: a success whose body cannot be read is not whole.

    One without a body is, where its status alone says that there is nothing, or nothing yet.
    """
    by_status = [rule for rule in rules if rule.when is None]
    if body is None and 200 <= reply.status < 300 and not _is_null(reply.body):
        verdict = classify(by_status, reply.status, None, later=later)
        return Verdict(verdict.outcome, verdict.ruled, whole=not reply.body and verdict.outcome in ("miss", "pending"))
    return classify(rules, reply.status, body, later=later)


def _is_null(body: bytes) -> bool:
    try:
        return orjson.loads(body) is None
    except orjson.JSONDecodeError:
        return False


def asked_wait(reply: Reply, headers: LimitHeaders | None, now: float, body: Query | None = None) -> float | None:
    """Seconds that the provider asks for; None if it does not.

    By `Retry-After` (seconds or date), else its own header, else its own key of the `body`.
    """
    given = reply.headers.get("retry-after", "")
    if given:
        seconds = _seconds(given)
        return _sane(_until_date(given, now) if seconds is None else seconds)
    reset = until_reset(reply, headers, now)
    return _sane(number(body.of(reply.json()))) if reset is None and body is not None else reset


def wait_of(reply: Reply, headers: LimitHeaders | None, now: float, body: Query | None = None) -> float:
    """Seconds after which a call can be repeated: what is asked for, else 5; between 1 and 3600."""
    asked = asked_wait(reply, headers, now, body)
    return min(_LONGEST_WAIT, max(1.0, _USUAL_WAIT if asked is None else asked))


def spent(reply: Reply, headers: LimitHeaders | None) -> bool:
    """Whether the provider says that no more calls are left for now."""
    if headers is None or not headers.remaining:
        return False
    given = reply.headers.get(headers.remaining, "")
    left = number(given)
    if left is None and given.startswith("{"):  # one figure for each window
        try:
            figures = orjson.loads(given).values()
        except orjson.JSONDecodeError:
            return False
        left = min((each for each in map(number, figures) if each is not None), default=None)
    return left == 0


def until_reset(reply: Reply, headers: LimitHeaders | None, now: float) -> float | None:
    """Seconds until there are new calls; None where the answer does not say."""
    given = reply.headers.get(headers.reset, "") if headers is not None and headers.reset else ""
    if headers is None or not given:
        return None
    if headers.form == "iso":
        return _sane(_until_iso(given, now))
    seconds = _seconds(given)
    return _sane(seconds - now if headers.form == "epoch" and seconds is not None else seconds)


def _sane(seconds: float | None) -> float | None:
    return None if seconds is None or not math.isfinite(seconds) else min(_LONGEST_PAUSE, max(0.0, seconds))


def _seconds(given: str) -> float | None:
    try:
        return float(given)
    except ValueError:
        return None


def _until_date(given: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    return _since_epoch(moment) - now


def _until_iso(given: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        return None
    return _since_epoch(moment) - now


def _since_epoch(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
