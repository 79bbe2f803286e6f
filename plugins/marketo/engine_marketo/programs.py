"""Programs: what they are, which statuses their members may have, and putting members in.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/assets/programs, …/rest/assets/channels,
…/rest/lead-database/program-members
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from engine.records import Failure, Outcome, Program
from engine_marketo.client import Client, Envelope
from engine_marketo.errors import MEMBER_CODES, NO_DATA, Reason, Refused, failure, is_unclear, reasons, record_wait
from engine_marketo.leads import is_id

ENDPOINT = "members/status.json"
#: The member has the status or a later one; statuses only move forward.
_ALREADY = "1037"
#: Step 0 is "Not in Program", which is the absence of a status and cannot be given.
_OUTSIDE = 0


class Programs:
    """Reads programs and writes their members. Keeps nothing between calls. `window`: the rate window in seconds."""

    def __init__(self, client: Client, window: float) -> None:
        self._client = client
        self._window = window

    def read(self, ids: Sequence[str]) -> Mapping[str, Program]:
        """Return the programs among `ids` that exist, with the statuses of their channel in the order of their steps.

        One call per program and one per channel.
        """
        rows = {given: row for given in dict.fromkeys(ids) if (row := self._program(given)) is not None}
        channels = {str(row.get("channel") or "") for row in rows.values()}
        statuses = {name: self._statuses(name) for name in sorted(channels - {""})}
        return {
            given: Program(given, str(row.get("name") or ""), statuses.get(str(row.get("channel")), ()))
            for given, row in rows.items()
        }

    def enroll(self, program_id: str, status: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        """Give each lead the status, in one call; the outcomes in the order given.

        Raises AbortRun or RetryLater where nothing was executed, NoAnswer where that is unclear.
        """
        outcomes = {index: _no_id(given) for index, given in enumerate(remote_ids) if not is_id(given)}
        places = [index for index in range(len(remote_ids)) if index not in outcomes]
        if not is_id(program_id):
            return [_no_program(program_id)] * len(remote_ids)
        if places:
            outcomes.update(zip(places, self._write(program_id, status, [remote_ids[i] for i in places]), strict=True))
        return [outcomes[index] for index in range(len(remote_ids))]

    def _write(self, program_id: str, status: str, lead_ids: list[str]) -> list[Outcome]:
        body = orjson.dumps({"statusName": status, "input": [{"leadId": int(lead_id)} for lead_id in lead_ids]})
        try:
            envelope = self._client.write(f"/rest/v1/programs/{program_id}/members/status.json", body)
        except Refused as refusal:
            why = failure(refusal.reason, ENDPOINT, MEMBER_CODES)
            return [Outcome("failed", remote_id=lead_id, failure=why) for lead_id in lead_ids]
        rows = dict(_in_sequence(envelope.get("result")))
        return [self._outcome(rows.get(seq), lead_id) for seq, lead_id in enumerate(lead_ids)]

    def _outcome(self, row: Any, lead_id: str) -> Outcome:
        if not isinstance(row, Mapping):
            return Outcome("unknown", remote_id=lead_id, answer=row)
        why = reasons(row.get("reasons"))
        if not why:
            written = row.get("status") in {"created", "updated"}
            return Outcome("updated" if written else "unknown", remote_id=lead_id, answer=row)
        code = why[0].code
        if code == _ALREADY:
            return Outcome("satisfied", remote_id=lead_id, answer=row)
        if is_unclear(code):
            return Outcome("unknown", remote_id=lead_id, answer=row)
        wait = record_wait(code, self._window)
        if wait is not None:
            return Outcome("later", remote_id=lead_id, after=wait, answer=row)
        return Outcome("failed", remote_id=lead_id, failure=failure(why[0], ENDPOINT, MEMBER_CODES), answer=row)

    def _program(self, id: str) -> Mapping[str, Any] | None:
        return self._asset(f"/rest/asset/v1/program/{id}.json") if is_id(id) else None

    def _statuses(self, channel: str) -> tuple[str, ...]:
        row = self._asset("/rest/asset/v1/channel/byName.json", {"name": channel})
        given = (row or {}).get("progressionStatuses")
        offered = [entry for entry in (given if isinstance(given, list) else []) if entry.get("step") != _OUTSIDE]
        return tuple(str(entry["name"]) for entry in sorted(offered, key=lambda entry: int(entry.get("step") or 0)))

    def _asset(self, path: str, params: Mapping[str, str] | None = None) -> Mapping[str, Any] | None:
        """Read one asset. A missing one is either a success without result or code 702."""
        try:
            envelope = self._client.read(path, params)
        except Refused as refusal:
            if refusal.reason.code == NO_DATA:
                return None
            raise
        return _first(envelope)


def _first(envelope: Envelope) -> Mapping[str, Any] | None:
    rows = envelope.get("result")
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], Mapping) else None


def _in_sequence(rows: Any) -> Iterator[tuple[int, Any]]:
    """Number the rows by their `seq`, which is the index in the input; by their own index where it is left out."""
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        seq = row.get("seq") if isinstance(row, Mapping) else None
        yield (seq if isinstance(seq, int) else index), row


def _no_id(given: str) -> Outcome:
    why = Failure("REMOTE_RECORD_GONE", f"a Marketo lead id is a whole number, not {given!r}", endpoint=ENDPOINT)
    return Outcome("failed", remote_id=given, failure=why)


def _no_program(program_id: str) -> Outcome:
    reason = Reason("1013", f"a program id is a whole number, not {program_id!r}")
    return Outcome("failed", failure=failure(reason, ENDPOINT, MEMBER_CODES))
