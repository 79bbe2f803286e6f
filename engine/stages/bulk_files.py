"""Files for a vendor's bulk import: which leads can share one, and how waiting leads are cut into them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from engine.adapters import Bulk
from engine.records import Delivery, Membership
from engine.stages.base import KeysInHand
from engine.stages.match import decision, keys_of, route_of
from engine.stages.outcomes import what_of
from engine.state.moves import Job

#: A row of a file: a lead, and the place that it is given where the file gives places.
Row = tuple[Job, Membership | None]


@dataclass(frozen=True, slots=True)
class File:
    """The content of one import, in order; `places`, one a lead, where it puts written persons in a program."""

    jobs: Sequence[Job]
    places: Sequence[Membership] = ()

    @property
    def what(self) -> str:
        """How the content is named where it is stored what was sent."""
        return what_of(self.places[0]) if self.places else "person"


@dataclass(slots=True)
class Cut:
    """Files that can be handed over, their keys taken, and the leads for which a file is not worth while."""

    files: list[File] = field(default_factory=list)
    small: set[int] = field(default_factory=set)


def delivery_of(job: Job) -> Delivery:
    """What a file carries of a lead."""
    return Delivery(job.lead_id, decision(job), job.payload["fields"], job.payload.get("on_create") or {})


def files_of(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that can share a file, the largest group first: one route, the same fields, the same ones on creation.

    A vendor's file has one set of columns, and in a mixed order each would hold a few rows only.
    """
    groups: dict[object, list[Row]] = {}
    for job, place in rows:
        fields = place.data if place else job.payload["fields"]
        fresh = job.payload.get("on_create") or () if place is None else ()
        groups.setdefault((route_of(job), frozenset(fields), frozenset(fresh)), []).append((job, place))
    return sorted(groups.values(), key=len, reverse=True)


class Files:
    """Cuts files as a vendor takes them. One that is smaller than `worth` rows is not made.

    A plugin that breaks here stops no lead: all of them go the ordinary way for the rest of the run.
    """

    def __init__(self, bulk: Bulk, in_hand: KeysInHand, worth: int, note: Callable[[str], None]) -> None:
        self._bulk = bulk
        self._in_hand = in_hand
        self._worth = worth
        self._note = note
        self.broken = False

    def give_up(self, error: object) -> None:
        """Make no more files."""
        self.broken = True
        self._note(f"bulk import is left out for the rest of this run, the plugin broke: {error!r}")

    def takes(self, job: Job) -> bool:
        """Whether an import can carry a lead's delivery."""
        try:
            return not self.broken and bool(self._bulk.takes(delivery_of(job)))
        except Exception as error:
            self.give_up(error)
            return False

    def cut(self, groups: Iterable[Sequence[Row]], room: int, *, partial: bool, page_is_full: bool) -> Cut:
        """Cut at most `room` files and take the keys of their leads; a lead whose keys are taken waits.

        partial: files need not be full. page_is_full: more leads wait than were read, so the largest group is not to
        wait for more.
        """
        cut = Cut()
        for group in groups:
            rest = list(group)
            while rest and len(cut.files) < room:
                fit = self._fits(rest)
                if fit == len(rest) and not (partial or page_is_full):
                    break
                page_is_full = False
                if min(fit, len(rest)) < self._worth:
                    cut.small.update(job.lead_id for job, _ in rest)
                    break
                chosen = [row for row in rest[:fit] if self._in_hand.take(row[0].lead_id, keys_of(row[0]))]
                rest = rest[fit:]
                if chosen:
                    places = [place for _, place in chosen if place is not None]
                    cut.files.append(File([job for job, _ in chosen], places))
        return cut

    def _fits(self, rows: Sequence[Row]) -> int:
        deliveries = [delivery_of(job) for job, _ in rows]
        places = [place for _, place in rows if place is not None]
        try:
            return max(0, min(len(rows), int(self._bulk.fits(deliveries, places))))
        except Exception as error:
            self.give_up(error)
            return 0
