"""Programs: what they are, which statuses and fields their members may have, and putting members in.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/assets/programs, …/rest/assets/channels,
…/rest/assets/folders, …/rest/lead-database/program-members
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from engine.errors import CredentialsError, NoAnswer, RetryLater, RunStopped
from engine.records import Field, Member, Outcome, Program, Standing, Status
from engine_marketo.batches import MAX_BODY, as_list, fitting, not_sent, objects, row_outcome, send_in_parts
from engine_marketo.client import Client
from engine_marketo.config import Settings
from engine_marketo.envelope import rows
from engine_marketo.errors import Endpoint, Refused
from engine_marketo.fields import member_fields
from engine_marketo.lookup import is_id

#: How an asset that does not exist is reported, beside a success without result.
_MISSING = frozenset({"702", "1013"})
#: Step 0 is "Not in Program", which is the absence of a status and cannot be given.
_OUTSIDE = 0
#: No status is as late as one that the program does not have.
_BEYOND = 2**31
#: Assets that one page of a browse call takes.
_PAGE = 200
#: The person is not a member; said of a member, the membership is too new to be found.
_NO_MEMBER = "1013"
_MEMBER_AFTER = 3.0
_WRITTEN: Mapping[str, Status] = {"created": "updated", "updated": "updated"}
#: Outcomes of a member whose status is given and of one whose data is written, from best to worst.
_ORDER: tuple[Status, ...] = ("updated", "satisfied", "later", "unknown", "failed")
_TAIL = b"]}"


@dataclass(frozen=True, slots=True)
class _Record:
    """A member ready to be sent: the place among the members and the JSON text."""

    place: int
    names: Collection[str]
    encoded: bytes


class Programs:
    """Reads programs and writes their members. Keeps nothing between calls."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._window = settings.limits.window
        self._refuses_archived = settings.archived_programs == "refuse"

    def read(self, ids: Sequence[str]) -> Mapping[str, Program]:
        """Return the programs among `ids` that exist, with the statuses of their channel in the order of their steps.

        One call per program, one per channel, and one per folder where archived programs are refused. Raises
        RetryLater, Refused, CredentialsError, VendorUnavailable.
        """
        found = {given: row for given in dict.fromkeys(ids) if (row := self._program(given)) is not None}
        channels = {str(row.get("channel") or "") for row in found.values()}
        statuses = {name: self._statuses(name) for name in sorted(channels - {""})}
        folders = {_folder(row) for row in found.values()} if self._refuses_archived else set()
        archived = {folder for folder in sorted(folders - {""}) if self._is_archived(folder)}
        return {
            given: Program(
                id=given,
                name=str(row.get("name") or ""),
                statuses=statuses.get(str(row.get("channel")), ()),
                refusal=_refusal(row) if _folder(row) in archived else "",
            )
            for given, row in found.items()
        }

    def member_fields(self) -> Sequence[Field]:
        """The fields that a membership has of its own, in one call; none where the API user may not read them."""
        return member_fields(self._client)

    # Members --------------------------------------------------------------------------------------------------------

    def standings(self, program_id: str, status: str, remote_ids: Sequence[str]) -> Mapping[str, Standing]:
        """Return where those of the persons stand who are members, beside the `status`.

        One call a page and, where somebody has another status, two for the order of the statuses. Raises as `read`.
        """
        ids = [remote_id for remote_id in remote_ids if is_id(remote_id)]
        held = self._held(program_id, ids) if is_id(program_id) and ids else {}
        steps: Mapping[str, int] = {}
        if any(each != status for each in held.values()):
            steps = self._steps(str((self._program(program_id) or {}).get("channel") or ""))
        wanted = steps.get(status, _BEYOND)
        return {id: Standing(each, each == status or steps.get(each, _OUTSIDE) >= wanted) for id, each in held.items()}

    def _held(self, program_id: str, ids: Sequence[str]) -> dict[str, str]:
        """The statuses of members by their id, page after page; none where there is no such program."""
        path, held = f"/rest/v1/programs/{program_id}/members.json", {}
        params = {"filterType": "leadId", "filterValues": ",".join(ids), "fields": "leadId,statusName"}
        while True:
            try:
                envelope = self._client.read(path, params)
            except Refused as refusal:
                if refusal.reason.code in _MISSING:
                    return {}
                raise
            if not isinstance(envelope.get("result", []), list):
                raise RetryLater("Marketo answered a search for members without a list of them", where=path, after=5.0)
            held.update({str(row.get("leadId")): str(row.get("statusName") or "") for row in rows(envelope)})
            token = str(envelope.get("nextPageToken") or "")
            if not token or token == params.get("nextPageToken"):
                return held
            params["nextPageToken"] = token

    def enroll(self, program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        """Give each person the status and then write the member fields; the outcomes in the order given.

        One call for the statuses and one for the fields of all who have any: only members take fields. The outcome is
        the worse of the two; a status once given stays, and giving it again does no harm. Raises AbortRun or RetryLater
        where no status was given or the rest can be repeated as it is, NoAnswer where that is unclear.
        """
        if not is_id(program_id):
            problem = f"a program id is a whole number, not {program_id!r}"
            return [not_sent("CAMPAIGN_NOT_WRITABLE", problem, "members")] * len(members)
        outcomes = self._give_status(program_id, status, members)
        held = [place for place, member in enumerate(members) if member.data and outcomes[place].status in _ORDER[:2]]
        for place, outcome in self._write_data(program_id, {place: members[place] for place in held}).items():
            outcomes[place] = max(outcomes[place], outcome, key=lambda each: _ORDER.index(each.status))
        return [replace(outcomes[place], remote_id=member.remote_id) for place, member in enumerate(members)]

    def _give_status(self, program_id: str, status: str, members: Sequence[Member]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        records: list[_Record] = []
        for place, member in enumerate(members):
            if is_id(member.remote_id):
                records.append(_Record(place, (), orjson.dumps({"leadId": int(member.remote_id)})))
            else:
                problem = f"a Marketo lead id is a whole number, not {member.remote_id!r}"
                outcomes[place] = not_sent("REMOTE_RECORD_GONE", problem, "members")
        path, head = f"/rest/v1/programs/{program_id}/members/status.json", orjson.dumps({"statusName": status})

        def send(part: Sequence[_Record]) -> Sequence[Outcome]:
            return self._post(path, head[:-1] + b',"input":[', part, "members")

        sent = send_in_parts(send, [records] if records else [], _names)
        return {**outcomes, **{record.place: outcome for record, outcome in sent}}

    def _write_data(self, program_id: str, members: Mapping[int, Member]) -> dict[int, Outcome]:
        """Write the member fields; that this cannot be done now does not take the status away."""
        outcomes: dict[int, Outcome] = {}
        records: list[_Record] = []
        for place, member in members.items():
            try:
                encoded = orjson.dumps({**member.data, "leadId": int(member.remote_id)})
                records.append(_Record(place, member.data.keys(), encoded))
            except (TypeError, ValueError) as error:
                problem = f"the member's fields cannot be sent: {error}"
                outcomes[place] = not_sent("DATA_VALUE_VALIDATION", problem, "member data")
        path, head = f"/rest/v1/programs/{program_id}/members.json", b'{"input":['

        def send(part: Sequence[_Record]) -> Sequence[Outcome]:
            try:
                return [_if_member(each) for each in self._post(path, head, part, "member data")]
            except Refused as refusal:
                if refusal.reason.code == _NO_MEMBER and len(part) == 1:
                    return [Outcome("later", after=_MEMBER_AFTER, answer=str(refusal.reason))]
                raise

        ranges = fitting([len(each.encoded) for each in records], MAX_BODY - len(head) - len(_TAIL), len(records) or 1)
        parts = [records[part.start : part.stop] for part in ranges]
        try:
            sent = send_in_parts(send, parts, _names, divisible={_NO_MEMBER})
        except RunStopped:
            raise
        except RetryLater as error:
            unclear = isinstance(error, NoAnswer)
            waiting = Outcome("unknown" if unclear else "later", after=error.after, answer=error.what)
            sent = [(record, waiting) for record in records]
        return {**outcomes, **{record.place: outcome for record, outcome in sent}}

    def _post(self, path: str, head: bytes, part: Sequence[_Record], endpoint: Endpoint) -> list[Outcome]:
        envelope = self._client.write(path, head + b",".join([record.encoded for record in part]) + _TAIL)
        placed = _in_sequence(envelope.get("result"), len(part))
        window, request_id = self._window, envelope.get("requestId")
        return [
            row_outcome(placed.get(seq), _WRITTEN, endpoint, window, request_id=request_id) for seq in range(len(part))
        ]

    # Assets ---------------------------------------------------------------------------------------------------------

    def _program(self, id: str) -> Mapping[str, Any] | None:
        return _first(self._asset(f"/rest/asset/v1/program/{id}.json")) if is_id(id) else None

    def _is_archived(self, folder: str) -> bool:
        """Whether a folder is archived; one that may not be read is none."""
        try:
            found = _first(self._asset(f"/rest/asset/v1/folder/{folder}.json", {"type": "Folder"}))
        except (CredentialsError, Refused):
            return False
        return bool(found and found.get("isArchive"))

    def _statuses(self, channel: str) -> tuple[str, ...]:
        steps = self._steps(channel)
        return tuple(sorted(steps, key=steps.__getitem__))

    def _steps(self, channel: str) -> dict[str, int]:
        """The statuses of a channel with their steps; those that stand on one step keep their order."""
        offered = objects((self._channel(channel) or {}).get("progressionStatuses")) if channel else []
        return {str(entry["name"]): step for entry in offered if (step := _step(entry)) != _OUTSIDE}

    def _channel(self, name: str) -> Mapping[str, Any] | None:
        if "," not in name:
            return _first(self._asset("/rest/asset/v1/channel/byName.json", {"name": name}))
        # A name with a comma cannot be searched for, so the channels are paged through.
        offset = 0
        while True:
            params = {"maxReturn": str(_PAGE), "offset": str(offset)}
            page = self._asset("/rest/asset/v1/channels.json", params)
            found = next((row for row in page if row.get("name") == name), None)
            if found is not None or len(page) < _PAGE:
                return found
            offset += _PAGE

    def _asset(self, path: str, params: Mapping[str, str] | None = None) -> list[Mapping[str, Any]]:
        """Read assets. Missing ones are a success without result, or one of several codes."""
        try:
            return rows(self._client.read(path, params))
        except Refused as refusal:
            if refusal.reason.code in _MISSING:
                return []
            raise


def _first(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return rows[0] if rows else None


def _step(status: Mapping[str, Any]) -> int:
    return int(status.get("step") or 0)


def _folder(row: Mapping[str, Any]) -> str:
    """The id of the folder that a program is in; '' where it is in something else."""
    folder = row.get("folder")
    given = folder if isinstance(folder, Mapping) and folder.get("type") == "Folder" else {}
    return str(given.get("value") or "")


def _refusal(row: Mapping[str, Any]) -> str:
    name = row["folder"].get("folderName")
    return f"it is in the archived folder {name!r}" if name else "it is in an archived folder"


def _in_sequence(result: Any, count: int) -> Mapping[int, Any]:
    """Rows by their `seq`, which is the index in the input; a number that two rows have says nothing.

    Where it is left out, by their own index, but only when there is a row for each record.
    """
    given = as_list(result)
    placed: dict[int, list[Any]] = {}
    for index, row in enumerate(given):
        seq = str(row.get("seq")) if isinstance(row, Mapping) else ""
        if is_id(seq):
            placed.setdefault(int(seq), []).append(row)
        elif len(given) == count:
            placed.setdefault(index, []).append(row)
    return {seq: found[0] for seq, found in placed.items() if len(found) == 1}


def _if_member(outcome: Outcome) -> Outcome:
    """A status was just given, so somebody who is said to be no member is not found yet."""
    if outcome.failure and outcome.failure.vendor_code == _NO_MEMBER:
        return Outcome("later", after=_MEMBER_AFTER, answer=outcome.answer)
    return outcome


def _names(record: _Record) -> Collection[str]:
    return record.names
