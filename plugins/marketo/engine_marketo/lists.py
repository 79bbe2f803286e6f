"""Static lists: which exist, and putting leads in them.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/static-lists
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import orjson

from engine.errors import RetryLater
from engine.records import Outcome, Standing, Status
from engine_marketo.batches import as_list, not_sent, row_outcome, send_in_parts
from engine_marketo.client import Client
from engine_marketo.config import Settings
from engine_marketo.envelope import rows
from engine_marketo.errors import LEAD_GONE, Refused
from engine_marketo.lookup import is_id

#: How a list that does not exist is reported, beside an empty result.
_MISSING = frozenset({"702", "1013"})
_MEMBER = "memberof"
_WRITTEN: Mapping[str, Status] = {"added": "updated", _MEMBER: "satisfied"}
_UNSEEN = "; where the lead exists, the list's workspace cannot see the partition that it is in"


class Lists:
    """Reads static lists and adds leads to them. Keeps nothing between calls."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._window = settings.limits.window

    def read(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the names of the lists among `ids` that exist, by id. One call per list.

        Raises RetryLater, Refused, CredentialsError, VendorUnavailable.
        """
        names = {given: self._name(given) for given in dict.fromkeys(ids) if is_id(given)}
        return {given: name for given, name in names.items() if name is not None}

    def add(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        """Put leads in a list, in one call; the outcomes in the order given. Who is in it already is put in again.

        Raises AbortRun or RetryLater where nothing was executed or all can be repeated, NoAnswer where that is unclear.
        """
        if not is_id(list_id):
            problem = f"a list id is a whole number, not {list_id!r}"
            return [not_sent("CAMPAIGN_NOT_WRITABLE", problem, "lists")] * len(remote_ids)
        outcomes: dict[int, Outcome] = {}
        for place, remote_id in enumerate(remote_ids):
            if not is_id(remote_id):
                problem = f"a Marketo lead id is a whole number, not {remote_id!r}"
                outcomes[place] = not_sent("REMOTE_RECORD_GONE", problem, "lists")

        def send(places: Sequence[int]) -> Sequence[Outcome]:
            return self._post(list_id, [remote_ids[place] for place in places])

        places = [place for place in range(len(remote_ids)) if place not in outcomes]
        outcomes.update(send_in_parts(send, [places] if places else [], _no_names))
        return [_explained(outcomes[place], remote_id) for place, remote_id in enumerate(remote_ids)]

    def standings(self, list_id: str, remote_ids: Sequence[str]) -> Mapping[str, Standing]:
        """Return those of the leads who are in a list, in one call. Raises as `read`.

        Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/list-membership
        """
        ids = [remote_id for remote_id in remote_ids if is_id(remote_id)]
        if not is_id(list_id) or not ids:
            return {}
        path = f"/rest/v1/lists/{list_id}/leads/ismember.json"
        try:
            answer = self._client.read(path, [("id", remote_id) for remote_id in ids])
        except Refused as refusal:
            if refusal.reason.code in _MISSING:
                return {}
            raise
        if not isinstance(answer.get("result"), list):
            # Every lead has a row; to take anything else for an answer would find everybody missing.
            raise RetryLater("Marketo did not say who is in the list", where=path, after=5.0)
        return {str(row.get("id")): Standing() for row in rows(answer) if row.get("status") == _MEMBER}

    def _post(self, list_id: str, remote_ids: Sequence[str]) -> list[Outcome]:
        body = orjson.dumps({"input": [{"id": int(remote_id)} for remote_id in remote_ids]})
        envelope = self._client.write(f"/rest/v1/lists/{list_id}/leads.json", body)
        result, request_id = as_list(envelope.get("result")), envelope.get("requestId")
        if len(result) != len(remote_ids):
            # Rows without an id are told apart by their order alone.
            return [Outcome("unknown", answer=result)] * len(remote_ids)
        return [row_outcome(row, _WRITTEN, "lists", self._window, request_id=request_id) for row in result]

    def _name(self, list_id: str) -> str | None:
        try:
            found = rows(self._client.read(f"/rest/v1/lists/{list_id}.json"))
        except Refused as refusal:
            if refusal.reason.code in _MISSING:
                return None
            raise
        return str(found[0].get("name") or "") if found else None


def _explained(outcome: Outcome, remote_id: str) -> Outcome:
    why = outcome.failure
    if why and why.vendor_code == LEAD_GONE:
        why = replace(why, message=why.message + _UNSEEN)
    return replace(outcome, remote_id=remote_id, failure=why)


def _no_names(place: int) -> Collection[str]:
    return ()
