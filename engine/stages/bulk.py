"""Bulk: hand over large numbers of leads as files, and store what became of them once the vendor has imported them.

A run goes over to files when it is told to, or when enough leads wait; what a file cannot carry goes the ordinary way,
and so does what a file has tried once. Before a file is handed over its leads are held durably; from then on they are
the import's until it has ended, also beyond the end of the run. No key is in two imports, or in an import and a call,
at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from engine.adapters import Bulk, Vendor
from engine.errors import AbortRun, NoAnswer, NotTaken, RetryLater, RunStopped, VendorUnavailable
from engine.records import Membership, Outcome
from engine.stages.base import CallingStage, Circumstances
from engine.stages.bulk_calls import Call, made
from engine.stages.bulk_files import File, Files, files_of
from engine.stages.bulk_ids import Search, found_sent, search_failed
from engine.stages.bulk_imports import LONGEST_POLL, Asking, Collecting, Import
from engine.stages.match import keys_of
from engine.stages.outcomes import person_sent, place_sent
from engine.stages.sync import MAX_UNSETTLED, record
from engine.state.imports import ImportRow
from engine.state.moves import Job, Sent

#: How often in a row a question after an import may go wrong.
MAX_TRIES = 6
#: Seconds after its submission at which an import is followed no longer.
LONGEST_IMPORT = 7 * 86_400.0
#: Leads that are looked at for one file, so that memory does not grow with the run.
MAX_LEADS = 50_000
#: Leads of these statuses may wait for what is under way for others.
_MAY_WAIT = ("mapped", "matched", "unknown", "written")
#: Outcomes stored in one transaction.
_STORED_AT_ONCE = 5_000


class BulkStage(CallingStage[Call, Any]):
    """Submits files of matched leads and of memberships, and follows the imports; stands before SyncStage.

    threshold: the number of waiting leads from which files are used, None for never. forced: files in any case.
    """

    name = "bulk"

    def __init__(
        self, circumstances: Circumstances, vendor: Vendor, bulk: Bulk, *, threshold: int | None, forced: bool
    ) -> None:
        super().__init__(circumstances, max(1, bulk.places) + vendor.limits.concurrency)
        self._vendor = vendor
        self._bulk = bulk
        self._files = Files(bulk, circumstances.in_hand, 1 if forced else vendor.limits.batch_size, circumstances.note)
        self._threshold = threshold
        self._forced = forced
        self._switched = forced
        self._holding = forced or threshold is not None
        self._handing_over = 0
        self._resume_at = 0.0
        self._look_from = 1
        self._small: set[int] = set()
        self._imports: list[Import] = []
        self._elsewhere: list[tuple[int, float]] = []
        self._remember()

    def _remember(self) -> None:
        """Take the keys of everything whose effect at the vendor is open, and take up the imports under way."""
        run, store, now = self._run, self._run.store, self._run.now()
        integration_id = run.run.integration_id
        # Those of others come first: what of this run's own is settled by now may have been taken up by them since.
        settle = {"sending": self._vendor.settle_after, "submitting": self._bulk.settle_after}
        for job, status, since in store.imports.unsettled_elsewhere(integration_id, run.account):
            until = since + settle.get(status, 0.0)
            if until > now and run.in_hand.take(job.lead_id, keys_of(job)):
                self._elsewhere.append((job.lead_id, until))
        elsewhere = store.imports.open_elsewhere(integration_id, run.account)
        for row in [*elsewhere, *store.imports.open(integration_id)]:
            self._follow(row, [job for job, waits in store.imports.content(row.id) if waits])
        for job in store.queue.jobs(integration_id, "unknown", MAX_UNSETTLED, inf):
            run.in_hand.take(job.lead_id, keys_of(job))

    def _follow(self, row: ImportRow, jobs: Sequence[Job]) -> None:
        """Ask after an import from now on; one whose leads have all been stored is over."""
        if not jobs:
            self._run.store.imports.close(row.id, "done")
            return
        for job in jobs:
            self._run.in_hand.take(job.lead_id, keys_of(job))
        # A clock that was set back must not keep an import waiting until it has caught up.
        pause = self._bulk.poll_after
        poll_at = min(row.poll_at, self._run.now() + max(pause, LONGEST_POLL))
        mine = row.integration_id == self._run.run.integration_id
        self._imports.append(Import(row, mine, poll_at, pause, [job.lead_id for job in jobs]))

    # What others ask --------------------------------------------------------------------------------------------

    @property
    def holding(self) -> bool:
        """Whether matched leads are kept from the ordinary way: it is not decided yet, or decided for files.

        It is never so when nothing more is coming and too few leads wait for a file.
        """
        return self._holding and not self._files.broken

    def keeps(self, job: Job) -> bool:
        """Whether a matched lead is to be left to this stage."""
        return self.holding and job.attempts == 0 and job.lead_id not in self._small and self._files.takes(job)

    @property
    def next_due(self) -> float | None:
        """When this stage has to be stepped again (Unix time), None where nothing is to be waited for.

        What is under way for others is waited for only while leads of this run may wait for it.
        """
        queue, integration_id, now = self._run.store.queue, self._run.run.integration_id, self._run.now()
        due = [each.poll_at for each in self._imports if each.mine]
        if any(queue.count(integration_id, status, 1, now) for status in _MAY_WAIT):
            due += [each.poll_at for each in self._imports if not each.mine]
            due += [until for _, until in self._elsewhere]
            due += [self._resume_at] if self._resume_at > now else []
        return min(due, default=None)

    # Calls ------------------------------------------------------------------------------------------------------

    def _start_calls(self, *, flush: bool) -> bool:
        self._let_go()
        asked = self._ask()
        self._choose(flush=flush)
        submitted = self._submit_persons(flush=flush)
        placed = flush and self._give_places()
        return asked or submitted or placed

    def _let_go(self) -> None:
        """Free the keys of other integrations' deliveries that can no longer take effect."""
        now = self._run.now()
        for lead_id, until in self._elsewhere:
            if until <= now:
                self._run.in_hand.drop(lead_id)
        self._elsewhere = [(lead_id, until) for lead_id, until in self._elsewhere if until > now]

    def _ask(self) -> bool:
        """Ask after the imports that are due; read the outcomes of those that have ended."""
        now = self._run.now()
        due = [each for each in self._imports if not each.asking and each.poll_at <= now][: self._calls.free]
        for each in due:
            each.asking = True
            if each.ended is None:
                self._calls.start(Asking(each), self._perform)
            else:
                jobs, waits = zip(*self._run.store.imports.content(each.row.id), strict=True)
                self._calls.start(Collecting(each, jobs, waits), self._perform)
        return bool(due)

    def _choose(self, *, flush: bool) -> None:
        """Go over to files once enough leads wait. While more are coming that is open, and the leads are held."""
        if self._threshold is not None and not self._switched:
            waiting = self._run.store.queue.count(
                self._run.run.integration_id, "matched", self._threshold, self._run.now()
            )
            self._switched = waiting >= self._threshold
        self._holding = self._switched or (self._threshold is not None and not flush)

    def _room(self) -> int:
        """How many files can be handed over now."""
        if self._files.broken or self._run.now() < self._resume_at:
            return 0
        return min(self._calls.free, max(1, self._bulk.places) - len(self._imports) - self._handing_over)

    def _submit_persons(self, *, flush: bool) -> bool:
        """Hand over full files; when nothing more is coming, also those that are not full."""
        run, room = self._run, self._room()
        integration_id = run.run.integration_id
        if not self._switched or room <= 0:
            return False
        if not flush and run.store.queue.count(integration_id, "matched", self._look_from, run.now()) < self._look_from:
            return False
        jobs = run.store.imports.matched(integration_id, MAX_LEADS, run.now())
        groups = files_of([(job, None) for job in jobs if self._files.takes(job)])
        cut = self._files.cut(groups, room, partial=flush, page_is_full=len(jobs) == MAX_LEADS)
        self._small = cut.small
        # A file that is not full yet is looked at again when half as many leads more wait.
        self._look_from = 1 if cut.files else min(MAX_LEADS, len(jobs) * 3 // 2 + 1)
        for file in cut.files:
            self._hand_over(file)
        return bool(cut.files)

    @property
    def _first_after(self) -> float:
        first = self._bulk.first_after
        return self._bulk.poll_after if first is None else first

    def _hand_over(self, file: File) -> None:
        self._run.store.imports.hold([job.lead_id for job in file.jobs], self._run.now(), writes=not file.places)
        self._handing_over += 1
        self._calls.start(file, self._perform)

    def _give_places(self) -> bool:
        """Places of persons without a remote id: many by a file, few by looking the ids up for the ordinary way."""
        run, store, now = self._run, self._run.store, self._run.now()
        integration_id, account = run.run.integration_id, run.account
        if not store.queue.count(integration_id, "written", 1, now):
            return False
        enough = 1 if self._forced else self._threshold
        kinds = () if enough is None or self._files.broken else self._bulk.kinds
        wanted = store.imports.places(integration_id, account, kinds, now) if kinds else []
        filed = [place for place, count in wanted if enough is not None and count >= enough]
        handed, searched = set[int](), dict[int, Job]()
        for place in filed:
            room = self._room()
            if room <= 0:
                break
            waiting = store.imports.waiting_for(integration_id, account, place, MAX_LEADS, now)
            carried = {job.lead_id for job, _ in waiting if self._files.takes(job)}
            groups = files_of([row for row in waiting if row[0].lead_id in carried])
            cut = self._files.cut(groups, room, partial=True, page_is_full=False)
            for file in cut.files:
                self._hand_over(file)
                handed.update(job.lead_id for job in file.jobs)
            searched |= {job.lead_id: job for job, _ in waiting if job.lead_id not in carried - cut.small}
        size = self._vendor.limits.batch_size
        limit = size * self._vendor.limits.concurrency
        searched |= {job.lead_id: job for job in store.imports.seeking(integration_id, account, filed, limit, now)}
        batches = Search.batches((job for id, job in searched.items() if id not in handed), size)[: self._calls.free]
        for batch in batches:
            store.queue.hold([job.lead_id for job in batch.jobs], "enrolling", now)
            self._calls.start(batch, self._perform)
        return bool(handed or batches)

    def _perform(self, call: Call) -> Any:
        """Make a call, in a thread."""
        return made(call, self._bulk, self._vendor)

    # Results ----------------------------------------------------------------------------------------------------

    def _settle(self) -> bool:
        did = False
        for call, result in self._calls.ended():
            did = True
            if isinstance(result, AbortRun):
                self._abort = self._abort or result
            match call:
                case File():
                    self._handing_over -= 1
                    self._handed_over(call, result)
                case Asking(about):
                    about.asking = False
                    self._asked(about, result)
                case Collecting(about):
                    about.asking = False
                    self._collected(call, result)
                case Search():
                    self._searched(call, result)
        return did

    def _handed_over(self, file: File, result: Any) -> None:
        """Store that a file was taken over, or put its leads back; where that is unclear they become unknown."""
        run, now = self._run, self._run.now()
        if isinstance(result, str):
            row = run.store.imports.submitted(
                run.run.id, run.account, file.what, result, file.jobs, now + self._first_after, now
            )
            self._follow(row, file.jobs)
        elif isinstance(result, AbortRun | RetryLater) and not isinstance(result, NoAnswer):
            if isinstance(result, RetryLater) and not isinstance(result, RunStopped):
                self._resume_at = now + max(1.0, result.after)
                run.note(f"files had to wait before they were imported: {result.what}")
            run.store.queue.delay([job.lead_id for job in file.jobs], "written" if file.places else "matched", 0.0)
            self._free(file.jobs if file.places else ())
        else:
            if not isinstance(result, NoAnswer):
                self._files.give_up(result)
            answer = result.what if isinstance(result, NoAnswer) else f"the plugin broke: {result!r}"
            after = self._bulk.settle_after
            outcomes = [Outcome("unknown", after=after, answer=answer)] * len(file.jobs)
            self._store(file.jobs, file.places, outcomes, settle_after=after)

    def _asked(self, about: Import, result: Any) -> None:
        if isinstance(result, BaseException):
            self._went_wrong(about, result)
            return
        about.tries = 0
        now = self._run.now()
        if result in {"queued", "running"} and about.mine and now > about.row.submitted_at + LONGEST_IMPORT:
            # No vendor tells of an import for longer: what became of its leads is read back, one by one.
            self._give_up(about, "the import never came to an end")
        elif result in {"queued", "running"}:
            about.ask_again(now)
            self._run.store.imports.asked(about.row.id, result, about.poll_at)
        elif about.mine:
            about.ended, about.poll_at = result, now
        else:
            self._end(about)

    def _collected(self, call: Collecting, result: Any) -> None:
        about, jobs = call.about, call.jobs
        if isinstance(result, BaseException):
            self._went_wrong(about, result)
            return
        outcomes = list(result)
        if len(outcomes) != len(jobs) or not all(isinstance(outcome, Outcome) for outcome in outcomes):
            outcomes = [Outcome("unknown", answer="the plugin gave not one outcome a lead")] * len(jobs)
        self._store_import(about, jobs, call.waits, outcomes, settle_after=0.0)

    def _went_wrong(self, about: Import, error: BaseException) -> None:
        """A question after an import failed: it is asked again. What no plugin can tell is looked up in the end."""
        now = self._run.now()
        if isinstance(error, AbortRun | RunStopped):
            return
        about.poll_at = now + max(about.pause, error.after if isinstance(error, RetryLater) else 0.0)
        about.tries += not isinstance(error, NotTaken)
        if about.tries < MAX_TRIES:
            return
        if isinstance(error, RetryLater):
            self._abort = self._abort or VendorUnavailable(
                f"the import {about.row.ticket} cannot be asked after: {error.what}",
                where=error.where,
                fix="Run the same command again later; the import goes on meanwhile.",
            )
        elif about.mine:
            self._give_up(about, f"the plugin broke: {error!r}")
        elif now > about.row.submitted_at + self._bulk.settle_after:
            self._end(about)

    def _give_up(self, about: Import, why: str) -> None:
        """Have the leads of an import looked up that cannot be followed to its end."""
        content = self._run.store.imports.content(about.row.id)
        settle_after = 0.0 if about.ended else self._bulk.settle_after
        jobs, waits = zip(*content, strict=True)
        outcomes = [Outcome("unknown", answer=why)] * len(content)
        self._store_import(about, jobs, waits, outcomes, settle_after=settle_after)

    def _store_import(
        self,
        about: Import,
        jobs: Sequence[Job],
        waits: Sequence[bool],
        outcomes: Sequence[Outcome],
        *,
        settle_after: float,
    ) -> None:
        """Store the outcomes of the leads that still wait for an import, then that it is over."""
        pairs = [(job, outcome) for job, wait, outcome in zip(jobs, waits, outcomes, strict=True) if wait]
        places = [] if about.place is None else [about.place] * len(pairs)
        self._store([job for job, _ in pairs], places, [outcome for _, outcome in pairs], settle_after=settle_after)
        self._run.store.imports.close(about.row.id, about.ended or "failed")
        self._end(about)

    def _store(
        self, jobs: Sequence[Job], places: Sequence[Membership], outcomes: Sequence[Outcome], *, settle_after: float
    ) -> None:
        run = self._run
        if places:
            sent = [place_sent(*each, run.retrying) for each in zip(jobs, places, outcomes, strict=True)]
        else:
            named = self._vendor.named
            sent = [
                person_sent(job, outcome, run.retrying, settle_after=settle_after, named=named, needs_id=False)
                for job, outcome in zip(jobs, outcomes, strict=True)
            ]
        for start in range(0, len(sent), _STORED_AT_ONCE):
            done = record(run, sent[start : start + _STORED_AT_ONCE], self.name)
            run.tallies.members += done if places else 0
            run.tallies.sent += 0 if places else done
        # One that is tried again, or may still take effect, keeps its keys to itself.
        self._free(
            [job for job, each in zip(jobs, sent, strict=True) if each.next_status not in {"matched", "unknown"}]
        )

    def _searched(self, call: Search, result: Any) -> None:
        run = self._run
        if isinstance(result, AbortRun | RunStopped):
            run.store.queue.delay([job.lead_id for job in call.jobs], "written", 0.0)
            return
        sent: list[Sent]
        if isinstance(result, BaseException) or len(result) != len(call.jobs):
            sent = [search_failed(job, result, run.retrying) for job in call.jobs]
        else:
            sent = [
                found_sent(job, records, run.retrying, self._vendor.settle_after)
                for job, records in zip(call.jobs, result, strict=True)
            ]
        record(run, sent, self.name)

    def _end(self, about: Import) -> None:
        """Follow an import no more, and free the keys that nothing else keeps."""
        self._imports.remove(about)
        if not about.mine:
            for lead_id in about.leads:
                self._run.in_hand.drop(lead_id)

    def _free(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._run.in_hand.drop(job.lead_id)
