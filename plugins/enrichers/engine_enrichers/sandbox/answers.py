"""What a provider answers: who is meant, whether the provider knows them, and the recorded case with their values."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jmespath  # type: ignore[import-untyped]
import jmespath.exceptions  # type: ignore[import-untyped]
import orjson

from engine.testing.server import Response
from engine_enrichers.sandbox.files import Call, Stub, set_path
from engine_enrichers.sandbox.people import Directory, identifiers
from engine_enrichers.sandbox.templates import ABSENT, Read, fill, plain, read, texts_in

#: What an answer has that says who is meant, and is no gain.
_NAMES = frozenset({"first_name", "last_name", "full_name", "middle_name"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A case with what it is filled with. `about` whom, for the bill; `body` of a batch's record, None for none.

    taken: paths of the answer at which the next call finds whom it is about.
    """

    case: str
    outcome: str
    about: str = ""
    credits: float = 0.0
    status: int = 200
    values: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    taken: Collection[str] = ()


class Answers:
    """Finds the answers to calls; keeps nothing but the seed."""

    def __init__(
        self,
        people: Directory,
        companies: Directory,
        knows: Mapping[str, float],
        suppressed: Collection[str],
    ) -> None:
        self.people = people
        self.companies = companies
        self._knows = {name: float(share) for name, share in knows.items()}
        self._suppressed = {str(text).strip().casefold() for text in suppressed}

    def to(self, stub: Stub, call: Call) -> Answer:
        """The answer to one question."""
        record = self._known(stub, call.said)
        outcome = self._outcome(stub, call.read, call.said, record)
        if outcome == "hit" and call.route.kind == "before":
            return self._before(stub, call, record or {})
        name = _for_path(stub, outcome, call)
        return self._made(stub, name, call.read, record)

    def to_record(self, stub: Stub, call: Call, said: Any, refused: str = "") -> Answer:
        """The answer to one record of a batch, with its body; `refused` names another than hit and miss."""
        found = Read(dict(call.read.values), set(call.read.offered), set(call.read.asked))
        read(stub.data["batch"]["record"], said, found)
        record = self._known(stub, said)
        name = refused or self._outcome(stub, found, said, record)
        shape = name if name in stub.batch else "miss"
        made = self._made(stub, name if name in stub.cases else "miss", found, record)
        body = None if stub.batch.get(shape) is None else fill(stub.batch[shape], made.values)
        if name == "hit":
            _as_known(stub, body, record or {}, _batch_result(stub))
        return Answer(made.case, refused or made.outcome, made.about, made.credits, 200, made.values, body)

    def case(self, stub: Stub, name: str, call: Call | None, about: Mapping[str, Any] | None = None) -> Answer:
        """A case by name, about whom the call is about, unless that is given."""
        if name == "submitted" and name not in stub.cases:
            name = "pending"
        record = dict(about) if about else self._known(stub, call.said) if call else None
        return self._made(stub, name, call.read if call else Read(), record)

    def envelope(self, stub: Stub, answers: Sequence[Answer], ticket: str = "") -> Response:
        """The whole answer to a batch; results by their record's id where the file reads them so."""
        bodies: Any = [each.body for each in answers]
        if bodies and all(isinstance(body, Mapping) and len(body) == 1 for body in bodies) and _by_id(stub):
            bodies = {name: body for each in bodies for name, body in each.items()}
        body = fill(stub.batch["envelope"], {"records": bodies, "ticket": ticket})
        _report(stub, body, {}, sum(each.credits for each in answers))
        return Response(200, body)

    def callback(self, stub: Stub, final: Response, ticket: str) -> bytes:
        """What is posted: the answer, or the recorded `callback` around its result, with the ticket in it."""
        body = orjson.loads(final.encoded() or b"null")
        if "callback" in stub.cases:
            result = search(stub.result, body)
            body = fill(stub.cases["callback"]["reply"]["body"], {"result": result, "ticket": ticket})
        path = stub.waits["callback"].get("ticket", "")
        if search(path, body) is None:
            set_path(body, path, ticket)
        return orjson.dumps(body)

    def balance(self, stub: Stub, left: float) -> Any:
        """The answer to a question for the balance, in the least form that the file can read."""
        path = str(stub.data["account"].get("balance", "credits"))
        body: Any = left
        for step in reversed(path.split(".")):
            body = {step: body}
        return body

    # Deciding ---------------------------------------------------------------------------------------------------

    def _known(self, stub: Stub, said: Any) -> dict[str, Any] | None:
        return (self.companies if stub.entity == "company" else self.people).find(said)

    def _outcome(self, stub: Stub, found: Read, said: Any, record: dict[str, Any] | None) -> str:
        if "suppressed" in stub.cases and self._is_suppressed(said, record):
            return "suppressed"
        if record is None or self._is_suppressed(said, record):
            return "miss"
        number = hashlib.sha256(f"{stub.name}|{record['person_id']}".encode()).digest()[:4]
        if int.from_bytes(number, "big") >= self._knows.get(stub.name, 1.0) * 2**32:
            return "miss"
        if stub.entity != "verification" and not _gain(stub, found, record):
            return "miss"
        return "hit" if _has_required(stub, found, record) and self._is_sure(stub, found, record) else "miss"

    def _is_suppressed(self, said: Any, record: Mapping[str, Any] | None) -> bool:
        if not self._suppressed:
            return False
        texts = {text.strip().casefold() for text in texts_in(said)} | set(identifiers(record or {}))
        return not self._suppressed.isdisjoint(texts)

    def _is_sure(self, stub: Stub, found: Read, record: Mapping[str, Any]) -> bool:
        """Whether the match is as good as the request wants it."""
        least, score = found.values.get("min_score"), stub.data.get("confidence", {})
        if least in (None, "") or "path" not in score or "map" in score or "hit" not in stub.cases:
            return True
        body = fill(stub.cases["hit"]["reply"].get("body"), record)
        _as_known(stub, body, record, stub.result)
        reached = search(score["path"], search(stub.result, body))
        return not isinstance(reached, (int, float)) or reached >= float(least)

    # Filling ----------------------------------------------------------------------------------------------------

    def _made(self, stub: Stub, name: str, found: Read, record: dict[str, Any] | None) -> Answer:
        if name not in stub.cases:
            name = "miss" if name == "suppressed" else "error" if "error" in stub.cases else name
        case = stub.cases.get(name, {"reply": {"status": 500}})
        said = {key: value for key, value in found.values.items() if not isinstance(value, (Mapping, list))}
        held = {key: value for key, value in (record or {}).items() if key not in found.unasked}
        extra = sum(credits for key, credits in case.get("charged_fields", {}).items() if held.get(key))
        about = str((record or {}).get("email") or (record or {}).get("company_domain") or "")
        return Answer(
            name,
            str(case.get("outcome", name)),
            about,
            float(case.get("charged", 0)) + extra,
            int(case["reply"]["status"]),
            {**said, **held},
        )

    def _before(self, stub: Stub, call: Call, record: dict[str, Any]) -> Answer:
        step = stub.recording["before"][call.route.index]
        taken = stub.data["before"][call.route.index]["take"].values()
        values = {**call.read.values, **record}
        credits = float(step.get("charged", 0))
        return Answer(f"before{call.route.index}", "found", "", credits, 200, values, step["reply"], taken)


def rendered(stub: Stub, answer: Answer, ticket: str = "") -> Response:
    """The whole answer of a case."""
    reply = answer.body or stub.cases.get(answer.case, {}).get("reply", {"status": 500})
    values = {**answer.values, "ticket": ticket}
    body = fill(reply.get("body"), values)
    for path in answer.taken:
        set_path(body, path, answer.values["person_id"])
    if answer.outcome == "hit" and answer.body is None:
        _as_known(stub, body, answer.values, stub.result)
    headers = dict(reply.get("headers", {}))
    _report(stub, body, headers, answer.credits)
    return Response(int(reply["status"]), _encoded(body), headers)


def _report(stub: Stub, body: Any, headers: dict[str, str], credits: float) -> None:
    """Let an answer that reports its cost report what is charged."""
    report = stub.data["cost"].get("report") or {}
    if report.get("header") in headers:
        headers[report["header"]] = f"{credits:g}"
    if "path" in report and search(report["path"], body) is not None:
        set_path(body, report["path"], credits if credits % 1 else int(credits))


def _encoded(body: Any) -> Any:
    """The body as it is sent: text is text here, and null is null."""
    return None if body is ABSENT or body is None else body


def _as_known(stub: Stub, body: Any, record: Mapping[str, Any], result: str) -> None:
    """Write into a hit what the seed says of the match: how sure it is, and what the address is known to be."""
    prefix = "" if result == "@" else f"{result}."
    score = stub.data.get("confidence", {})
    if "confidence" in record and "path" in score:
        if "map" in score:
            reached = [word for word, figure in score["map"].items() if figure <= record["confidence"]]
            worth: Any = max(reached, key=score["map"].get, default=None)
        else:
            scaled = record["confidence"] * score.get("scale", 1)
            worth = scaled if score.get("scale", 1) == 1 else round(scaled)
        set_path(body, prefix + score["path"], worth)
    if status := record.get("email_status"):
        extract = stub.data["extract"]
        rule = extract.get("email_status") or (extract.get("email") or {})
        rule = rule.get("status", rule) if isinstance(rule, Mapping) else {}
        words = [word for word, canonical in rule.get("map", {}).items() if canonical == status]
        if words and "path" in rule:
            set_path(body, prefix + rule["path"], words[0])


def search(path: str, body: Any) -> Any:
    """What a JMESPath finds, None where it does not suit the body."""
    try:
        return jmespath.search(path, body) if path else None
    except jmespath.exceptions.JMESPathError:
        return None


def _for_path(stub: Stub, outcome: str, call: Call) -> str:
    """The case for an outcome: one that is recorded for the very path of the request goes before the others."""
    for name, case in stub.cases.items():
        if case.get("path") == call.route.request["path"] and case.get("outcome") == outcome:
            return name
    return outcome


def _gain(stub: Stub, found: Read, record: Mapping[str, Any]) -> bool:
    """Whether the provider can tell anything of this record that the question did not say."""
    gives = set(stub.data["extract"]) - _NAMES - found.values.keys() - found.unasked
    return any(record.get(name) for name in gives)


def _has_required(stub: Stub, found: Read, record: Mapping[str, Any]) -> bool:
    """Whether the record has what the request demands, by the file's `required`."""
    demanded, rule = found.values.get("required"), stub.data.get("required")
    if not demanded or not rule:
        return True
    fields = {name: lead for lead, name in rule["names"].items()}
    has = [bool(record.get(fields.get(name.strip(), ""))) for name in plain(demanded).split(rule["join"])]
    return any(has) if rule["join"].strip().upper() == "OR" else all(has)


def _batch_result(stub: Stub) -> str:
    return str(stub.data["batch"].get("result") or stub.data.get("result") or "@")


def _by_id(stub: Stub) -> bool:
    return any("{record_id}" in str(name) for name in (stub.batch.get("hit") or {}))
