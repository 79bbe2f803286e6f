"""What the sandbox holds: fields, leads, programs and members, loaded from a seed; and how its parts see a call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine.testing.server import Request
from engine_marketo.sandbox_fields import Check, LeadField, checks, lead_fields, timestamp

Row = dict[str, Any]

#: What a seed adds to: one row per custom field, channel and program; those of equal name or id are replaced.
DEFAULT_FIELDS: tuple[Row, ...] = (
    {"name": "leadType"},
    {"name": "eventScore", "dataType": "integer"},
    {"name": "boothNotes", "dataType": "text"},
    {"name": "lastEvent"},
    {"name": "linkedInUrl", "dataType": "url", "displayName": "LinkedIn URL"},
    {"name": "twitterUrl", "dataType": "url"},
    {"name": "badgeId", "displayName": "Badge ID"},
    {"name": "followUp"},
    {"name": "productInterest"},
    {"name": "companyDomain"},
    {"name": "companySize"},
    {"name": "scanCount", "dataType": "integer"},
    {"name": "capturedAt", "dataType": "datetime"},
    {"name": "capturedBy"},
    {"name": "consentGiven", "dataType": "boolean"},
)
DEFAULT_CHANNELS: tuple[Row, ...] = (
    {
        "name": "Tradeshow",
        "statuses": [
            {"name": "Invited", "step": 10},
            {"name": "Registered", "step": 20},
            {"name": "Member", "step": 25},
            {"name": "Engaged", "step": 30},
            {"name": "Attended", "step": 40, "success": True},
        ],
    },
)
DEFAULT_PROGRAMS: tuple[Row, ...] = (
    {"id": 1107, "name": "Expo 2026", "channel": "Tradeshow"},
    {"id": 1108, "name": "Summit 2026", "channel": "Tradeshow"},
)


class ApiError(Exception):
    """The whole call fails with a vendor code; nothing was executed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in. `params` from query and form; `parts` from the path."""

    request: Request
    params: Mapping[str, str]
    parts: Mapping[str, str]

    def records(self) -> tuple[Row, list[Any]]:
        """The JSON body and its `input`; raises ApiError where it is no JSON or holds no or too many records."""
        try:
            body = self.request.json()
        except ValueError:
            raise ApiError("609", "Invalid JSON") from None
        given = body.get("input") if isinstance(body, dict) else None
        if not isinstance(given, list) or not given:
            raise ApiError("1003", "Leads not specified")
        if len(given) > 300:
            raise ApiError("1003", "Too many leads specified: at most 300 are allowed")
        return body, given


def skipped(code: str, message: str) -> Row:
    """A row for a record that was not written; such rows carry no id."""
    return {"status": "skipped", "reasons": [{"code": code, "message": message}]}


@dataclass
class World:
    """The state of one instance. Whoever reads or changes it holds `lock`."""

    lock: threading.RLock
    switches: Mapping[str, Any]
    now: Callable[[], float]
    seed: Mapping[str, Any]
    fields: dict[str, LeadField] = field(init=False)
    leads: dict[int, Row] = field(default_factory=dict)
    by_email: dict[str, list[int]] = field(default_factory=dict)
    hidden_until: dict[int, float] = field(default_factory=dict)
    channels: dict[str, Row] = field(default_factory=dict)
    programs: dict[int, Row] = field(default_factory=dict)
    members: dict[int, dict[int, Row]] = field(default_factory=dict)
    next_id: int = 1
    _checks: dict[str, Check] = field(default_factory=dict)
    _checks_for: tuple[Any, ...] = ()
    _stamped: tuple[int, str] = (-1, "")

    def __post_init__(self) -> None:
        self.fields = lead_fields(_overlaid(DEFAULT_FIELDS, self.seed.get("fields", ()), "name"))
        for number, row in enumerate(_overlaid(DEFAULT_CHANNELS, self.seed.get("channels", ()), "name"), start=7):
            self.channels[row["name"]] = {"id": number, **row}
        for row in _overlaid(DEFAULT_PROGRAMS, self.seed.get("programs", ()), "id"):
            self.programs[int(row["id"])] = dict(row)
        for row in self.seed.get("leads", ()):
            self.insert(dict(row), row.get("id"))
        for row in self.seed.get("members", ()):
            self.join(int(row["programId"]), int(row["leadId"]), str(row["statusName"]))

    @property
    def checks(self) -> dict[str, Check]:
        """The checks of the fields, made anew when a switch that they depend on was turned."""
        wanted = (self.switches["overlong"], self.switches["email_validation"])
        if wanted != self._checks_for:
            self._checks = checks(self.fields.values(), self.switches)
            self._checks_for = wanted
        return self._checks

    def stamp(self) -> str:
        """The time as leads carry it; made once a second, as every record written needs it."""
        second = int(self.now())
        if second != self._stamped[0]:
            self._stamped = (second, timestamp(datetime.fromtimestamp(second, UTC)))
        return self._stamped[1]

    # Leads ------------------------------------------------------------------------------------------------------

    def insert(self, values: Row, lead_id: int | None = None) -> int:
        """Store a new lead and return its id: the one given, or the next."""
        lead_id = self.next_id if lead_id is None else int(lead_id)
        self.next_id = max(self.next_id, lead_id + 1)
        stamp = self.stamp()
        self.leads[lead_id] = {**values, "id": lead_id, "createdAt": stamp, "updatedAt": stamp}
        self._index(values.get("email"), lead_id)
        if lag := float(self.switches["read_after_write"]):
            self.hidden_until[lead_id] = self.now() + lag
        return lead_id

    def update(self, lead_id: int, values: Row) -> None:
        lead = self.leads[lead_id]
        if "email" in values and values["email"] != lead.get("email"):
            self._forget(lead.get("email"), lead_id)
            self._index(values["email"], lead_id)
        lead.update(values)
        lead["updatedAt"] = self.stamp()

    def delete(self, lead_id: int) -> bool:
        """Remove a lead with its memberships; False where there is none."""
        lead = self.leads.pop(lead_id, None)
        if lead is None:
            return False
        self._forget(lead.get("email"), lead_id)
        self.hidden_until.pop(lead_id, None)
        for members in self.members.values():
            members.pop(lead_id, None)
        return True

    def _index(self, email: Any, lead_id: int) -> None:
        if email:
            self.by_email.setdefault(email_key(email), []).append(lead_id)

    def _forget(self, email: Any, lead_id: int) -> None:
        if email:
            self.by_email[email_key(email)].remove(lead_id)

    def value(self, lead: Row, name: str) -> Any:
        """A field as it is read: a boolean is never null."""
        empty = False if self.fields[name].data_type == "boolean" else None
        return lead.get(name, empty)

    def duplicates(self) -> list[str]:
        return sorted(email for email, ids in self.by_email.items() if len(ids) > 1)

    # Programs ---------------------------------------------------------------------------------------------------

    def steps(self, program_id: int) -> dict[str, int]:
        """The steps of the statuses that members of a program can have, by status name."""
        channel = self.channels.get(self.programs[program_id].get("channel", ""), {})
        return {status["name"]: int(status["step"]) for status in channel.get("statuses", ())}

    def join(self, program_id: int, lead_id: int, status: str) -> str:
        """Give a lead a status; returns "created", "updated" or "skipped" where it has it or a later one."""
        members = self.members.setdefault(program_id, {})
        step, member = self.steps(program_id)[status], members.get(lead_id)
        if member is None:
            members[lead_id] = {"statusName": status, "step": step, "membershipDate": self.stamp()}
            return "created"
        if member["step"] >= step:
            return "skipped"
        member.update(statusName=status, step=step)
        return "updated"


def email_key(email: str) -> str:
    """Addresses match whatever their case and surrounding blanks."""
    return email.strip().lower()


def _overlaid(defaults: Sequence[Row], given: Sequence[Row], key: str) -> list[Row]:
    return list({str(row[key]): row for row in (*defaults, *given)}.values())
