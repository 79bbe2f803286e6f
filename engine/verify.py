"""Verify: read cleared leads back from the vendor and compare them with what was sent last. Writes nothing there.

    choose: least recently verified first ─▶ read, in the vendor's batches ─▶ judge ─▶ store ─▶ (fail)

What is found is stored batch by batch, so that an interrupted verification goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import TypeVar

from engine.connection import Connection
from engine.errors import EngineError, EnvironmentFault, RetryLater, RunStopped, SpecError
from engine.expressions import Names
from engine.records import Decision, Delivery, Found, Membership, Standing
from engine.selection import Selection, selected
from engine.specs import Integration
from engine.state import Store
from engine.state.verifications import HELD, Read
from engine.verdicts import EMAIL, Expected, PlaceKey, address_of, expected, gone, judged, key_of

#: How often a reading that failed for a passing reason is tried.
TRIES = 5
#: Leads whose deliveries are read from the state at a time.
_PAGE = 1_000
#: Seconds within which an interrupted verification is gone on with.
RESUMED_WITHIN = 86_400.0
_ACT = "verify"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cleared leads are to be verified. sample: so many at most, None for all.

    differing: only those of which something was not held when they were read back last.
    """

    meant: Selection = field(default_factory=Selection)
    sample: int | None = None
    differing: bool = False
    names: Names | None = None

    def __str__(self) -> str:
        """For the record of who did what: names no person."""
        what = "those that differed" if self.differing else str(self.meant)
        digest = blake2b(repr((self.meant, self.differing)).encode(), digest_size=4).hexdigest()
        return f"{what} [{digest}]" + ("" if self.sample is None else f", a sample of {self.sample}")


@dataclass
class Report:
    """What a verification has found. `cleared`: the leads of which it chose. `differing`: what is not held.

    before: what the same command found before it was interrupted, by lead. recent: leads that were sent too
    recently to be judged. elsewhere: leads that were sent to another account. unread: leads that cannot be asked for.
    unasked: places whose members the vendor does not tell. failed: leads that are Failed now.
    """

    cleared: int
    held: int = 0
    differing: list[Read] = field(default_factory=list)
    before: dict[int, str] = field(default_factory=dict)
    recent: int = 0
    elsewhere: int = 0
    unread: int = 0
    unasked: set[PlaceKey] = field(default_factory=set)
    failed: list[int] = field(default_factory=list)

    @property
    def verified(self) -> int:
        return self.held + len(self.differing)

    @property
    def codes(self) -> dict[str, int]:
        """Leads by the code of what is not held, the most frequent first."""
        return dict(Counter(read.failure.code for read in self.differing if read.failure).most_common())

    @property
    def all_held(self) -> bool:
        return not self.differing and all(outcome == HELD for outcome in self.before.values())


class Verification:
    """Verifies leads of one integration by an open connection, whose state it is."""

    def __init__(
        self,
        connection: Connection,
        store: Store,
        spec: Integration,
        *,
        by: str,
        progress: Callable[[int, int], None] = lambda done, all_: None,
    ) -> None:
        """`by`: who verifies, for the record. `progress` is told how many leads of how many are done."""
        self._connection = connection
        self._vendor = connection.vendor
        self._store = store
        self._spec = spec
        self._by = by
        self._progress = progress
        self._known: Collection[str] = ()
        mapping = spec.mapping
        self._gentle = {row.target for row in mapping.fields if row.write != "overwrite"}
        self._gentle |= {row.field for row in mapping.qualifiers if row.write != "overwrite"}

    def go(self, wanted: Wanted, *, fail: bool = False) -> Report:
        """Verify; with `fail`, leads of which something is not held fail. Raises what the vendor raises, SpecError."""
        store, name, now = self._store, self._spec.name, self._connection.now
        last = store.runs.last(name)
        if last is None:
            raise SpecError(f"{name} has not run on this state yet", fix="Run it first.")
        cleared = store.verifications.cleared(name)
        chosen = self._chosen(wanted, cleared)
        what = f"{wanted}, failing what differs" if fail else str(wanted)
        since = self._begun(last.integration_id, f"{what}: begun")
        before = store.verifications.since(name, since)
        report = Report(len(cleared), before=before)
        left = [lead for lead in chosen if lead not in before]
        if wanted.sample is not None:
            left = left[: max(0, wanted.sample - len(before))]
        fields, _ = self._connection.fields(refresh=True)
        self._known = {each.name for each in fields}
        done = 0
        for start in range(0, len(left), _PAGE):
            page = left[start : start + _PAGE]
            for read in self._readings(page, report):
                kept = store.verifications.save(read, self._vendor.account, now(), fail_in=last.id if fail else "")
                wrong = [each for each in kept if each.failure]
                report.held += len(kept) - len(wrong)
                report.differing += wrong
                if fail and wrong:
                    report.failed += (failed := [each.lead.lead_id for each in wrong])
                    self._record(last.integration_id, "found not to be held, and failed", failed)
                done += len(read)
                self._progress(done, len(left))
        self._record(last.integration_id, f"{what}: {report.held} held, {len(report.differing)} differ")
        return report

    # Which leads ------------------------------------------------------------------------------------------------

    def _chosen(self, wanted: Wanted, cleared: dict[int, tuple[float, str]]) -> list[int]:
        """The leads that are meant: least recently verified first, and else by chance, the same each time."""
        ids: Collection[int] = cleared
        if not wanted.meant.is_all:
            ids = selected(self._store, self._spec.name, wanted.meant, ("cleared",), wanted.names)
        ids = [lead for lead in ids if lead in cleared]
        if wanted.differing:
            ids = [lead for lead in ids if cleared[lead][1] not in ("", HELD)]
        seed = self._store.verifications.seed()

        def order(lead: int) -> tuple[float, bytes]:
            return cleared[lead][0], blake2b(f"{seed} {lead}".encode(), digest_size=8).digest()

        return sorted(ids, key=order)

    def _begun(self, integration_id: int, begun: str) -> float:
        """When this verification began (Unix time): now; or then, where the last one was the same and did not end."""
        now = self._connection.now()
        acts = [act for act in self._store.actions.of_integration(integration_id) if act["what"] == _ACT]
        if acts and acts[-1]["detail"] == begun and now - acts[-1]["at"] < RESUMED_WITHIN:
            return float(acts[-1]["at"])
        self._record(integration_id, begun)
        return now

    def _record(self, integration_id: int, detail: str, leads: Sequence[int] = ()) -> None:
        self._store.actions.add(integration_id, leads, _ACT, detail, self._by, self._connection.now())

    # Reading ----------------------------------------------------------------------------------------------------

    def _readings(self, leads: Sequence[int], report: Report) -> Iterator[Sequence[Read]]:
        """Read leads back, in calls that overlap as far as the vendor's limits allow; yields what each call showed."""
        vendor = self._vendor
        found = self._store.verifications.delivered(vendor.account, leads)
        report.elsewhere += len(leads) - len(found)
        settled = self._connection.now() - max(vendor.settle_after, vendor.search_lag)
        due = [expected(vendor, lead, self._gentle) for lead in found if lead.at <= settled]
        report.recent += len(found) - len(due)
        askable = [each for each in due if vendor.can_ask(each.decision)]
        report.unread += len(due) - len(askable)
        limits = vendor.limits
        batches = iter(_batches(askable, max(1, limits.batch_size)))
        with ThreadPoolExecutor(max(1, limits.concurrency), "verify") as pool:
            # A wave at a time, so that an interruption waits for few calls only.
            while wave := list(islice(batches, max(1, limits.concurrency))):
                for read, unasked in pool.map(self._read, wave):
                    report.unasked.update(unasked)
                    yield read

    def _read(self, batch: Sequence[Expected]) -> tuple[Sequence[Read], Collection[PlaceKey]]:
        """Read the records of one batch, and where they stand in their places; runs in a thread."""
        names = sorted({name for each in batch for name in each.values if not self._known or name in self._known})
        deliveries = [Delivery(each.lead.lead_id, each.decision, each.lead.payload["fields"]) for each in batch]
        found = self._patiently(lambda: self._vendor.look_up(deliveries, names))
        # One that shares its key with others is the one that was changed last, as it is for a write.
        records = [max(each, key=lambda one: one.recency, default=None) for each in found]
        there = [(what, record) for what, record in zip(batch, records, strict=True) if record is not None]
        lost = [what for what, record in zip(batch, records, strict=True) if record is None]
        standings, unasked = self._standings(there)
        reads = [gone(what, others) for what, others in zip(lost, self._successors(lost), strict=True)]
        for what, record in there:
            keys = [key for place in what.lead.places if (key := key_of(place)) in standings]
            held = {key: standings[key].get(record.remote_id) for key in keys}
            reads.append(judged(what, record, held, self._known))
        return reads, unasked

    def _standings(
        self, there: Sequence[tuple[Expected, Found]]
    ) -> tuple[dict[PlaceKey, Mapping[str, Standing]], Collection[PlaceKey]]:
        """Where persons stand, by place and id; and the places of which the vendor does not tell that."""
        wanted: dict[PlaceKey, tuple[Membership, dict[str, None]]] = {}
        for what, record in there:
            for place in what.lead.places:
                wanted.setdefault(key_of(place), (place, {}))[1][record.remote_id] = None
        standings = {key: self._patiently(partial(self._vendor.standings, place, list(ids)))
                     for key, (place, ids) in wanted.items()}  # fmt: skip
        told = {key: found for key, found in standings.items() if found is not None}
        return told, wanted.keys() - told.keys()

    def _successors(self, lost: Sequence[Expected]) -> Sequence[Sequence[Found]]:
        """The records that the addresses of lost leads belong to now."""
        asked = []
        for what in lost:
            decision = Decision(EMAIL, address_of(what.lead))
            another = bool(decision.value) and what.decision.by != EMAIL and EMAIL in self._vendor.keys
            if another and self._vendor.can_ask(decision):
                asked.append(Delivery(what.lead.lead_id, decision, what.lead.payload["fields"]))
        found = self._patiently(lambda: self._vendor.look_up(asked, ())) if asked else ()
        by_lead = {delivery.lead_id: records for delivery, records in zip(asked, found, strict=True)}
        return [by_lead.get(what.lead.lead_id, ()) for what in lost]

    def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call that only reads, again after a while where it failed for a passing reason."""
        attempts = 0
        while True:
            attempts += 1
            try:
                return call()
            except RetryLater as error:
                if isinstance(error, RunStopped) or attempts == TRIES:
                    raise
                self._connection.sleep(error.after)
            except EngineError:
                raise
            except Exception as error:
                what = f"the plugin {self._vendor.name} broke: {error!r}"
                raise EnvironmentFault(what, fix="Report the message to the plugin's author.") from error


def _batches(leads: Sequence[Expected], size: int) -> Iterator[Sequence[Expected]]:
    """Cut leads into calls; those of one call are asked for by the same key."""
    for by in dict.fromkeys(each.decision.by for each in leads):
        same = [each for each in leads if each.decision.by == by]
        yield from (same[at : at + size] for at in range(0, len(same), size))
