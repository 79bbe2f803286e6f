"""Prospects written one by one: by address with an upsert, or by id.

Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.adapters import Context
from engine.casts import stored_as
from engine.errors import NoAnswer, RetryLater, RunStopped
from engine.filters import text
from engine.records import Delivery, Failure, Notice, Outcome, Status
from engine_pardot.campaigns import TELLING, OnCreate, was_created
from engine_pardot.client import Answer, Client
from engine_pardot.codes import UPSERT
from engine_pardot.errors import Denied, Fault, endpoint_of, not_sent, record_outcome
from engine_pardot.fields import CustomFields, without_opt_ins
from engine_pardot.lookup import EMAIL, ID, PATH, address, is_address, is_id
from engine_pardot.recent import RecentlyCreated
from engine_pardot.settings import Settings

_UPSERT = f"{PATH}/do/{UPSERT}"
_UNDELETE = f"{PATH}/do/undelete"
#: Addresses are unique in the account and the one to be written is another prospect's.
_TAKEN = frozenset({"9", "54"})
_OWNERS = ("userId", "salesforceOwnerId")

_Values = Mapping[str, Any]


class ProspectWriter:
    """Writes prospects. Safe to use from many threads; two writes of one address must not overlap."""

    def __init__(self, client: Client, custom: CustomFields, settings: Settings, context: Context) -> None:
        self._client = client
        self._custom = custom
        self._settings = settings
        self._on_create = OnCreate(client, context)
        self._recent = RecentlyCreated(settings.settle_after, context.now)
        self._now = context.now

    def write(self, delivery: Delivery) -> Outcome:
        """Write one delivery. Raises AbortRun or RetryLater where nothing was executed, NoAnswer where unclear."""
        fields, taken_back = without_opt_ins(delivery.fields)
        delivery = replace(delivery, fields=fields)
        outcome = self._update(delivery) if delivery.decision.by == ID else self._upsert(delivery)
        if not taken_back:
            return outcome
        what = f"{' and '.join(taken_back)} may have been true, and is not set to anything else"
        return replace(outcome, notices=(*outcome.notices, Notice("CONSENT_KEPT", what, taken_back[0])))

    # By address -----------------------------------------------------------------------------------------------------

    def _upsert(self, delivery: Delivery) -> Outcome:
        matched = address(delivery.decision.value)
        prospect = self._values(delivery.fields)
        prospect[EMAIL] = address(str(prospect.get(EMAIL) or matched))
        problem = _problem((matched, prospect[EMAIL]), (prospect, delivery.on_create))
        if problem is not None:
            return problem
        fresh = self._values({name: value for name, value in delivery.on_create.items() if name not in prospect})
        names = self._told(("id", EMAIL, *TELLING, *fresh), prospect)
        path, answer = self._write_by(matched, prospect, names, delivery.recent_id)
        if answer.fault is not None:
            # Such an address passes only where it is the very one that is matched: somebody else created it just now.
            passes = answer.fault.code not in _TAKEN or prospect[EMAIL] == matched
            return record_outcome(answer.fault, path if passes else PATH, prospect)
        moved = prospect[EMAIL] != matched
        if answer.data.get("id") and (moved or was_created(answer.data, self._now())):
            self._recent.remember({matched, prospect[EMAIL]}, str(answer.data["id"]))
        return self._upserted(answer.data, prospect, fresh, repeated=delivery.repeated)

    def _write_by(self, matched: str, prospect: _Values, names: Sequence[str], recent_id: str) -> tuple[str, Answer]:
        """Upsert by an address, or write by id to whom an upsert might not find yet; with the path that was called."""
        recent = self._recent.id_of(matched) or recent_id
        if recent:
            path = f"{PATH}/{recent}"
            answer = self._client.write("PATCH", path, prospect, {"fields": ",".join(names)})
            if answer.fault is None or not answer.fault.gone:
                return path, answer
        body = {
            "matchEmail": matched,
            "prospect": prospect,
            "fields": names,
            "secondaryDeletedSearch": self._settings.deleted == "restore",
        }
        return _UPSERT, self._client.write("POST", _UPSERT, body)

    def _upserted(self, data: _Values, prospect: _Values, fresh: _Values, *, repeated: bool) -> Outcome:
        remote_id = str(data.get("id") or "")
        if not remote_id:
            # Where the user may write prospects and not read them, success has no body.
            return _untold(_UPSERT) if fresh or self._settings.verify else Outcome("updated", answer=data)
        status: Status = "created" if was_created(data, self._now()) else "updated"
        if fresh:
            failed = self._complete(remote_id, data, fresh, repeated=repeated)
            if failed is not None:
                return failed
        return self._verified(Outcome(status, remote_id, answer=data), prospect, data, _UPSERT)

    def _complete(self, remote_id: str, data: _Values, fresh: _Values, *, repeated: bool) -> Outcome | None:
        """Write what only a new prospect gets, where it is to be written; what became of it if that failed.

        The upsert can be repeated without harm, so nothing here leaves the lead's outcome unknown.
        """
        path = f"{PATH}/{remote_id}"
        try:
            due = self._on_create.due(data, fresh, repeated=repeated)
            if not due:
                return None
            answer = self._client.write("PATCH", path, due, self._asked(due))
        except RunStopped:
            raise
        except RetryLater as error:
            after = self._settings.settle_after if isinstance(error, NoAnswer) else error.after
            return Outcome("later", remote_id, after=after, answer=error.what)
        if answer.fault is None:
            written = self._verified(Outcome("updated", remote_id), due, answer.data, path)
            return written if written.failure else None
        outcome = record_outcome(answer.fault, path, due, remote_id=remote_id)
        why = outcome.failure
        if why is not None:
            message = f"the prospect was created without {', '.join(due)}: {why.message}"
            why = replace(why, message=message, field=why.field or next(iter(due)))
        return replace(outcome, failure=why)

    # By id ----------------------------------------------------------------------------------------------------------

    def _update(self, delivery: Delivery) -> Outcome:
        """Write to the prospect with an id, and to no other; taken out of the recycle bin first if settings say so."""
        prospect_id = delivery.decision.value.strip()
        path = f"{PATH}/{prospect_id}"
        if not is_id(prospect_id):
            return not_sent("DATA_VALUE_VALIDATION", f"a prospect id is a whole number, not {prospect_id!r}", PATH)
        prospect = self._values(delivery.fields)
        email = prospect.pop(EMAIL, None)
        if delivery.decision.update_email and email:
            prospect[EMAIL] = address(str(email))
        problem = _problem([prospect[EMAIL]] if EMAIL in prospect else (), (prospect,))
        if problem is not None:
            return problem
        if not prospect:
            there = self._client.find(path, {"fields": "id"}).fault is None
            return Outcome("satisfied" if there else "missing", prospect_id if there else None)
        asked = self._asked(prospect)
        answer = self._client.write("PATCH", path, prospect, asked)
        if answer.fault is not None and answer.fault.recycled and self._settings.deleted == "restore":
            failed = self._restore(prospect_id)
            if failed is not None:
                return failed
            answer = self._client.write("PATCH", path, prospect, asked)
        if answer.fault is not None:
            return _refused(answer.fault, path, prospect)
        if EMAIL in prospect:
            self._recent.remember({prospect[EMAIL]}, prospect_id)
        return self._verified(Outcome("updated", prospect_id, answer=answer.data), prospect, answer.data, path)

    def _restore(self, prospect_id: str) -> Outcome | None:
        """Take a prospect out of the recycle bin; what became of the lead if that failed."""
        try:
            fault = self._client.write("POST", _UNDELETE, {"id": int(prospect_id)}).fault
        except Denied as error:
            why = f"prospect {prospect_id} is in the recycle bin, and the user may not restore it: {error.what}"
            return not_sent("CONNECTION_PERMISSION", why, _UNDELETE)
        # That it is not in the bin, or is gone, is told by the write that follows.
        return None if fault is None or fault.gone else record_outcome(fault, _UNDELETE, ())

    # What both share ------------------------------------------------------------------------------------------------

    def _values(self, fields: _Values) -> dict[str, Any]:
        """The values as they are sent: a list for a field that takes several, None for one that is to be cleared."""
        lists = self._custom.lists(fields)
        return {name: self._parts(value) if name in lists else value for name, value in fields.items()}

    def _parts(self, value: Any) -> list[str] | None:
        if value is None:
            return None
        given = value if isinstance(value, list | tuple) else text(value).split(self._settings.separator)
        return [part for each in given if (part := text(each).strip())]

    def _asked(self, sent: _Values) -> Mapping[str, str]:
        """The parameters of a write by id."""
        return {"fields": ",".join(self._told(("id",), sent))}

    def _told(self, names: Iterable[str], sent: _Values) -> list[str]:
        """The fields that a write asks to be told: `names`, and with `verify` what is `sent`, as far as it can be."""
        wanted = [*names, *(sent if self._settings.verify else ())]
        untold = self._custom.unqueried(wanted)
        return [name for name in dict.fromkeys(wanted) if name not in untold]

    def _verified(self, outcome: Outcome, sent: _Values, held: _Values, where: str) -> Outcome:
        """The outcome, or a failure where `verify` is set and a value is not held as it was sent."""
        if not self._settings.verify:
            return outcome
        if "id" not in held:
            return replace(_untold(where), remote_id=outcome.remote_id)
        untold = self._custom.unqueried(sent)
        wrong = [name for name, value in sent.items() if name not in untold and not _holds(name, value, held)]
        if not wrong:
            return outcome
        name = wrong[0]
        more = f" (and {len(wrong) - 1} more: {', '.join(wrong[1:])})" if len(wrong) > 1 else ""
        message = f"{name}: sent {_shown(sent[name])}, stored {_shown(held.get(name))}{more}"
        failure = Failure("VALUE_NOT_STORED", message, name, endpoint=endpoint_of(where))
        return replace(outcome, status="failed", failure=failure)


def _holds(name: str, value: Any, held: _Values) -> bool:
    """Whether a value is held as it was sent; of an address Pardot may keep other letter case."""
    found = held.get(name)
    return stored_as(value, address(str(found)) if name == EMAIL and found else found)


def _problem(emails: Sequence[str], payloads: Sequence[_Values]) -> Outcome | None:
    """What keeps a delivery from being sent, found without a call."""
    wrong = next((email for email in emails if not is_address(email)), None)
    if wrong is not None:
        why = f"{EMAIL}: {_shown(wrong)} is no address that Pardot takes: name@domain.ending, at most 255 characters"
        return not_sent("DATA_VALUE_VALIDATION", why, PATH, EMAIL)
    assigned = [name for name in _OWNERS if any(payload.get(name) not in (None, "") for payload in payloads)]
    if len(assigned) > 1:
        why = "userId and salesforceOwnerId are both mapped, and Pardot assigns a prospect by one of them"
        return not_sent("DATA_VALUE_VALIDATION", why, PATH, assigned[0])
    return None


def _refused(fault: Fault, path: str, prospect: _Values) -> Outcome:
    return Outcome("missing", answer=str(fault)) if fault.gone else record_outcome(fault, path, prospect)


def _untold(where: str) -> Outcome:
    why = (
        "Pardot wrote the prospect and did not show it, so that new and known prospects, and what is stored, cannot be "
        "told: the role of the user must allow to view prospects that are not assigned to it"
    )
    return not_sent("CONNECTION_PERMISSION", why, where)


def _shown(value: Any) -> str:
    found = repr(text(value))
    return found if len(found) <= 60 else f"{found[:57]}…'"
