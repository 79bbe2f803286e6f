"""What the sandbox holds: fields, partitions, leads, programs, members and lists, loaded from a seed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine.testing.seeds import known
from engine_marketo.sandbox_calls import ApiError, Row
from engine_marketo.sandbox_defaults import (
    DEFAULT_CHANNELS,
    DEFAULT_FIELDS,
    DEFAULT_LISTS,
    DEFAULT_MEMBER_FIELDS,
    DEFAULT_PARTITIONS,
    DEFAULT_PROGRAMS,
    overlaid,
)
from engine_marketo.sandbox_fields import (
    CHECK_SWITCHES,
    Check,
    LeadField,
    checks,
    custom_fields,
    from_text,
    lead_fields,
    timestamp,
)
from engine_marketo.sandbox_keys import KeysInUse
from engine_marketo.sandbox_timing import speed_of

#: The field that holds a lead's partition; a lead without it is in the first one.
PARTITION = "leadPartitionId"
_FIRST_PARTITION = 1
#: What a merge does not take from the lead that loses.
_OWN = frozenset({"id", "createdAt", "updatedAt", "email", PARTITION})


@dataclass
class World:
    """The state of one instance. Whoever reads or changes it holds `lock`."""

    lock: threading.RLock
    switches: Mapping[str, Any]
    now: Callable[[], float]
    seed: Mapping[str, Any]
    described: list[LeadField] = field(init=False)
    fields: dict[str, LeadField] = field(init=False)
    member_fields: dict[str, LeadField] = field(init=False)
    partitions: dict[str, Row] = field(default_factory=dict)
    leads: dict[int, Row] = field(default_factory=dict)
    by_email: dict[str, list[int]] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    hidden_until: dict[int, float] = field(default_factory=dict)
    channels: dict[str, Row] = field(default_factory=dict)
    programs: dict[int, Row] = field(default_factory=dict)
    folders: dict[int, Row] = field(default_factory=dict)
    members: dict[int, dict[int, Row]] = field(default_factory=dict)
    lists: dict[int, Row] = field(default_factory=dict)
    listed: dict[int, dict[int, None]] = field(default_factory=dict)
    keys: KeysInUse = field(default_factory=KeysInUse)
    next_id: int = 1
    _checks: dict[str, Check] = field(default_factory=dict)
    _checks_for: tuple[Any, ...] = ()
    _stamped: tuple[int, str] = (-1, "")

    def __post_init__(self) -> None:
        seed = self.seed
        self.described = list(lead_fields(overlaid(DEFAULT_FIELDS, seed.get("fields", ()), "name")).values())
        self.fields = {each.name: each for each in self.described if each.rest}
        self.member_fields = custom_fields(overlaid(DEFAULT_MEMBER_FIELDS, seed.get("member_fields", ()), "name"))
        for row in overlaid(DEFAULT_PARTITIONS, seed.get("partitions", ()), "name"):
            self.partitions[str(row["name"])] = {"id": len(self.partitions) + 1, **row}
        for number, row in enumerate(overlaid(DEFAULT_CHANNELS, seed.get("channels", ()), "name"), start=7):
            self.channels[row["name"]] = {"id": number, **row}
        for row in overlaid(DEFAULT_PROGRAMS, seed.get("programs", ()), "id"):
            self._add_program(row)
        for row in overlaid(DEFAULT_LISTS, seed.get("lists", ()), "id"):
            self.lists[int(row["id"])] = dict(row)
            self.listed[int(row["id"])] = {}
        for row in seed.get("leads", ()):
            self._add_lead(row)
        for row in seed.get("members", ()):
            self.join(int(row["programId"]), int(row["leadId"]), str(row["statusName"]))

    def _add_program(self, row: Row) -> None:
        """Keep a program in its folder; being archived is a trait of the folder, so those that are have their own."""
        archived = bool(row.get("archived"))
        name = str(row.get("folder") or ("Archive" if archived else "Events"))
        found = (
            number for number, each in self.folders.items() if (each["name"], each["archived"]) == (name, archived)
        )
        folder = next(found, 1910 + len(self.folders))
        self.folders.setdefault(folder, {"name": name, "archived": archived})
        self.programs[int(row["id"])] = {**row, "folder": name, "folder_id": folder}

    def _add_lead(self, row: Mapping[str, Any]) -> None:
        """Insert a lead of the seed; its partition may be given by name. Raises ValueError for what no field holds."""
        values = dict(row)
        if "partition" in values:
            values[PARTITION] = self.partitions[values.pop("partition")]["id"]
        known("a lead of the seed", values, self.fields)
        for name, value in values.items():
            try:
                values[name] = from_text(self.fields.get(name), value)
            except ValueError:
                raise ValueError(f"the seed has {value!r} in the field {name}") from None
        self.insert(values, row.get("id"))

    @property
    def checks(self) -> dict[str, Check]:
        """The checks of the lead fields, made anew when a switch that they depend on was turned."""
        wanted = tuple(self.switches[name] for name in CHECK_SWITCHES)
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
            self.hidden_until[lead_id] = self.now() + lag / speed_of(self.seed)
        return lead_id

    def update(self, lead_id: int, values: Row) -> None:
        lead = self.leads[lead_id]
        if "email" in values and values["email"] != lead.get("email"):
            self._forget(lead.get("email"), lead_id)
            self._index(values["email"], lead_id)
        lead.update(values)
        lead["updatedAt"] = self.stamp()

    def delete(self, lead_id: int) -> bool:
        """Remove a lead with its memberships and from its lists; False where there is none."""
        lead = self.leads.pop(lead_id, None)
        if lead is None:
            return False
        self._forget(lead.get("email"), lead_id)
        self.hidden_until.pop(lead_id, None)
        for members in self.members.values():
            members.pop(lead_id, None)
        for listed in self.listed.values():
            listed.pop(lead_id, None)
        return True

    def merge(self, winner: int, loser: int) -> None:
        """Let the winner take what it lacks from the loser, with memberships and lists; the loser's id is gone."""
        lost, won = self.leads[loser], self.leads[winner]
        values = {
            name: value
            for name, value in lost.items()
            if name not in _OWN and value not in {None, "", False} and not won.get(name)
        }
        for joined in self.members.values():
            if loser in joined:
                theirs, own = joined[loser], joined.get(winner)
                joined[winner] = theirs if own is None or own["step"] < theirs["step"] else own
        for ids in self.listed.values():
            if loser in ids:
                ids[winner] = None
        self.delete(loser)
        self.update(winner, values)
        self.merged[loser] = winner

    def _index(self, email: Any, lead_id: int) -> None:
        if email:
            self.by_email.setdefault(email_key(email), []).append(lead_id)

    def _forget(self, email: Any, lead_id: int) -> None:
        if email:
            self.by_email[email_key(email)].remove(lead_id)

    def with_email(self, email: str) -> Sequence[int]:
        """The ids of the leads with an address."""
        found = self.by_email.get(email_key(email), ())
        if self.switches["email_match"] == "exact":
            return [lead_id for lead_id in found if self.leads[lead_id]["email"] == email]
        return found

    def find(self, lead_id: Any, sees: frozenset[int] | None = None) -> int | None:
        """The id of the lead that an id stands for, or None; that of a merged lead stands for nothing or the winner."""
        if type(lead_id) is not int:
            return None
        if self.switches["merged_id"] == "winner":
            while lead_id in self.merged:
                lead_id = self.merged[lead_id]
        return lead_id if lead_id in self.leads and self.is_seen(lead_id, sees) else None

    def lead(self, lead_id: int, sees: frozenset[int] | None = None) -> Row:
        """The lead that an id stands for. Raises ApiError where there is none."""
        found = self.find(lead_id, sees)
        if found is None:
            raise ApiError("1004", f"Lead '{lead_id}' not found")
        return self.leads[found]

    def value(self, lead: Row, name: str) -> Any:
        """A field as it is read: a boolean is never null, and every lead is in a partition."""
        if name == PARTITION:
            return self.partition_of(lead)
        empty = False if self.fields[name].data_type == "boolean" else None
        return lead.get(name, empty)

    def duplicates(self) -> list[str]:
        """The addresses that several leads have."""
        return sorted(email for email, ids in self.by_email.items() if len(ids) > 1)

    # Partitions -------------------------------------------------------------------------------------------------

    def partition_of(self, lead: Row) -> int:
        return int(lead.get(PARTITION) or _FIRST_PARTITION)

    def is_seen(self, lead_id: int, sees: frozenset[int] | None) -> bool:
        """Whether a client that sees those partitions sees the lead."""
        return sees is None or self.partition_of(self.leads[lead_id]) in sees

    def partition_ids(self, names: Sequence[str] | None) -> frozenset[int] | None:
        """The ids of partitions by name; None is all of them."""
        return None if names is None else frozenset(int(self.partitions[name]["id"]) for name in names)

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
            members[lead_id] = {"statusName": status, "step": step, "membershipDate": self.stamp(), "values": {}}
            return "created"
        if member["step"] >= step:
            return "skipped"
        member.update(statusName=status, step=step)
        return "updated"


def email_key(email: str) -> str:
    """Addresses match whatever their case and surrounding blanks."""
    return email.strip().lower()
