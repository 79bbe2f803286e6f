"""A plan as values, and as the JSON that it is saved in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from engine.errors import Place, SpecError
from engine.files import replace_text

VERSION = 1
#: What becomes of a lead. skip: the vendor holds all of it already.
Word = Literal["create", "update", "skip", "fail"]
WORDS: tuple[Word, ...] = ("create", "update", "skip", "fail")


@dataclass(frozen=True, slots=True)
class Change:
    """A field of the vendor's record: what it holds, and what is written; `new` None empties it."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class PlannedPlace:
    """A program with a status, or a list, that a lead is put in, with the member's own fields.

    old: the status that the member has now, where the vendor tells. kept: it is as far as that already, or further, so
    that the vendor leaves it.
    """

    kind: str
    target: str
    status: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    old: str = ""
    kept: bool = False

    @property
    def alters(self) -> bool:
        """Whether giving it changes anything, as far as is known."""
        return bool(self.data) or not self.kept


@dataclass(slots=True)
class PlannedLead:
    """What becomes of one lead.

    key: as the state names it. by, value: the key that its record is written by. record: the record's id at the
    vendor; one that the plan creates is called `new-` and the lead's number. sent: whether a call carries the lead,
    also where it changes nothing. unchanged: fields that are sent and hold the value already. open: lead fields that
    providers may still fill, and depends: the vendor's fields that are worked out from these. code, message: of a
    failure.
    """

    lead: int
    key: str
    word: Word
    by: str = ""
    value: str = ""
    record: str = ""
    sent: bool = True
    changes: Sequence[Change] = ()
    unchanged: Mapping[str, Any] = field(default_factory=dict)
    places: list[PlannedPlace] = field(default_factory=list)
    notices: Sequence[str] = ()
    open: Sequence[str] = ()
    depends: Sequence[str] = ()
    code: str = ""
    message: str = ""

    @property
    def alters(self) -> bool:
        """Whether anything at the vendor would be another than before."""
        return bool(self.changes) or self.word == "create" or any(place.alters for place in self.places)


@dataclass(frozen=True)
class Plan:
    """What a run would do. `made_at`: ISO 8601. `source`: its name and a digest of its content, empty for none.

    rows: of the source, known_rows: of these, what earlier runs have captured. calls: the vendor's, by what they are
    for. left_today: calls that the day's quota leaves, None where there is none. paid: what providers would be asked at
    most, as `engine enrich plan` says it. waiting: leads of earlier runs that have failed and stay so.
    """

    integration: str
    vendor: str
    account: str
    spec_digest: str
    source: str
    source_digest: str
    made_at: str
    rows: int
    known_rows: int
    leads: Sequence[PlannedLead]
    calls: Mapping[str, int] = field(default_factory=dict)
    left_today: int | None = None
    paid: Mapping[str, Any] = field(default_factory=dict)
    waiting: int = 0
    notes: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Leads by what becomes of them, and changes by kind."""
        words = Counter(lead.word for lead in self.leads)
        places = [place.kind for lead in self.leads for place in lead.places if place.alters]
        return {
            **{word: words[word] for word in WORDS},
            "fields": sum(len(lead.changes) for lead in self.leads),
            "programs": places.count("program"),
            "lists": places.count("list"),
            "open": sum(bool(lead.open) for lead in self.leads),
        }

    @property
    def all_calls(self) -> int:
        return sum(self.calls.values())

    @property
    def too_many_calls(self) -> bool:
        """Whether the day's quota does not suffice."""
        return self.left_today is not None and self.all_calls > self.left_today

    @property
    def alters(self) -> bool:
        return any(lead.alters for lead in self.leads)

    def as_json(self) -> dict[str, Any]:
        return {"schema_version": VERSION, **asdict(self), "counts": self.counts}


def save(plan: Plan, path: Path) -> None:
    """Write a plan to a file that only its owner can read, for it holds people's data. Raises OSError."""
    text = orjson.dumps(plan.as_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE, default=str)
    replace_text(path, text.decode(), mode=0o600)


def load(path: Path) -> Plan:
    """Read a saved plan. Raises SpecError where it cannot be read or is none."""
    again = "Make one with `engine plan SPEC --save FILE`."
    try:
        raw = orjson.loads(path.read_bytes())
        if raw.pop("schema_version") != VERSION:
            raise ValueError("it is of another version")
        raw.pop("counts")
        leads = [_lead(each) for each in raw.pop("leads")]
        return Plan(**raw, leads=leads)
    except OSError as error:
        raise SpecError(f"cannot read the plan: {error.strerror}", where=Place(str(path)), fix=again) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SpecError("this is no saved plan", where=Place(str(path)), why=str(error), fix=again) from error


def _lead(raw: dict[str, Any]) -> PlannedLead:
    changes = [Change(**change) for change in raw.pop("changes")]
    places = [PlannedPlace(**place) for place in raw.pop("places")]
    return PlannedLead(**raw, changes=changes, places=places)
