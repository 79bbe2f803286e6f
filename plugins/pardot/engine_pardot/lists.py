"""Lists: which exist, and putting prospects on them.

Source: developer.salesforce.com/docs/marketing/pardot/guide/list-v5 and …/list-membership-v5
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.adapters import Context
from engine.records import Outcome, Standing
from engine_pardot.client import Client
from engine_pardot.codes import MEMBERSHIPS
from engine_pardot.errors import Fault, not_sent, record_outcome
from engine_pardot.lookup import is_id

_LISTS = "lists"
_ASKED = {"fields": "id,name,isDynamic,isDeleted"}


class Lists:
    """Reads lists and adds prospects to them. Keeps nothing between calls."""

    def __init__(self, client: Client, context: Context) -> None:
        self._client = client
        self._context = context

    def read(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the names of the lists among `ids` that prospects can be put on, by id. One call a list.

        A list that fills itself by rules, and one in the recycle bin, is left out; the log says so.
        Raises RetryLater, CredentialsError, VendorUnavailable.
        """
        names = {given: self._name(given) for given in dict.fromkeys(ids) if is_id(given)}
        return {given: name for given, name in names.items() if name is not None}

    def add(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        """Put prospects on a list, one call each; `satisfied` for those who are on it. Repeating it does no harm.

        Whether a person has opted out of the list is never touched.
        """
        if not is_id(list_id):
            problem = f"a list id is a whole number, not {list_id!r}"
            return [not_sent("CAMPAIGN_NOT_WRITABLE", problem, MEMBERSHIPS)] * len(remote_ids)
        return [replace(self._add(list_id, remote_id), remote_id=remote_id) for remote_id in remote_ids]

    def standings(self, list_id: str, remote_ids: Sequence[str]) -> Mapping[str, Standing]:
        """Return those of the prospects who are on a list, one call each; who has opted out of it is on it still.

        Raises RetryLater, CredentialsError, VendorUnavailable.
        """
        asked = [remote_id for remote_id in remote_ids if is_id(remote_id)] if is_id(list_id) else []
        return {remote_id: Standing() for remote_id in asked if self._is_on(list_id, remote_id)}

    def _is_on(self, list_id: str, remote_id: str) -> bool:
        params = {"fields": "id,isDeleted", "listId": list_id, "prospectId": remote_id, "limit": "1"}
        found = self._client.find(MEMBERSHIPS, params).data.get("values") or ()
        return any(not row.get("isDeleted") for row in found)

    def _add(self, list_id: str, remote_id: str) -> Outcome:
        if not is_id(remote_id):
            return not_sent("REMOTE_RECORD_GONE", f"a prospect id is a whole number, not {remote_id!r}", MEMBERSHIPS)
        body = {"listId": int(list_id), "prospectId": int(remote_id)}
        answer = self._client.write("POST", MEMBERSHIPS, body, {"fields": "id,listId,prospectId"})
        if answer.fault is None:
            return Outcome("updated", answer=answer.data)
        return self._refused(answer.fault, list_id)

    def _refused(self, fault: Fault, list_id: str) -> Outcome:
        """What a refusal means; the code of a missing record does not tell which of the two is missing."""
        outcome = record_outcome(fault, MEMBERSHIPS, ())
        why = outcome.failure
        if why is None or fault.code not in {"109", "192"}:
            return outcome
        code = "REMOTE_RECORD_GONE" if self._name(list_id) is not None else "CAMPAIGN_NOT_WRITABLE"
        return replace(outcome, failure=replace(why, code=code))

    def _name(self, list_id: str) -> str | None:
        answer = self._client.find(f"{_LISTS}/{list_id}", _ASKED)
        if answer.fault is not None:
            if answer.fault.recycled:
                self._context.log.warning("pardot: list %s is in the recycle bin", list_id)
            return None
        name = str(answer.data.get("name") or "")
        if answer.data.get("isDeleted"):
            self._context.log.warning("pardot: list %s (%s) is in the recycle bin", list_id, name)
            return None
        if answer.data.get("isDynamic"):
            self._context.log.warning(
                "pardot: list %s (%s) is dynamic: Pardot fills it by rules, and nobody can be put on it", list_id, name
            )
            return None
        return name
