"""What all stages share: the circumstances of a run, and the work that is in flight in threads."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from engine.backoff import Retrying
from engine.errors import AbortRun
from engine.records import Failure
from engine.specs import Integration
from engine.state import Store
from engine.state.runs import RunRow

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stage(Protocol):
    """A stage moves leads on, one batch a step."""

    name: str

    def step(self, *, flush: bool) -> bool:
        """Do what can be done now without waiting; `flush` says that no more is coming from before.

        Returns whether anything was done. Raises AbortRun.
        """
        ...

    @property
    def in_flight(self) -> Sequence[Future[Any]]:
        """The calls that are being waited for."""
        ...

    @property
    def next_due(self) -> float | None:
        """When the stage has to be stepped again although nothing moves (Unix time); None where there is no such."""
        ...

    def settle(self) -> None:
        """Record the results of the calls that have ended, and claim nothing new."""
        ...

    def close(self) -> None:
        """Give back threads and files; nothing is in flight any more."""
        ...


@dataclass
class Tallies:
    """What a run did so far, for the progress display and the summary."""

    rows: int = 0
    known_rows: int = 0
    captured: int = 0
    leads: int = 0
    enriched: int = 0
    mapped: int = 0
    sent: int = 0
    members: int = 0
    unchanged: int = 0
    failed: int = 0


class KeysInHand:
    """Which lead is being decided on by which matching keys: from reading its record until its write has ended."""

    def __init__(self) -> None:
        self._owner: dict[str, int] = {}
        self._keys: dict[int, Sequence[str]] = {}

    def free(self, lead_id: int, keys: Sequence[str]) -> bool:
        """Whether no other lead has one of the keys."""
        return all(self._owner.get(key, lead_id) == lead_id for key in keys)

    def take(self, lead_id: int, keys: Sequence[str]) -> bool:
        """Take all keys for a lead; False, and none taken, where another lead has one of them."""
        if not self.free(lead_id, keys):
            return False
        self.drop(lead_id)
        self._owner.update(dict.fromkeys(keys, lead_id))
        self._keys[lead_id] = keys
        return True

    def drop(self, lead_id: int) -> None:
        for key in self._keys.pop(lead_id, ()):
            self._owner.pop(key, None)


class Occasion(Protocol):
    """What working out one lead needs of a run: the time (Unix seconds), and where it is logged what broke."""

    @property
    def now(self) -> Callable[[], float]: ...

    @property
    def log(self) -> logging.Logger: ...


@dataclass
class Circumstances:
    """The run that a stage works for."""

    store: Store
    run: RunRow
    integration: Integration
    now: Callable[[], float]
    account: str = ""
    tallies: Tallies = field(default_factory=Tallies)
    failures: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    in_hand: KeysInHand = field(default_factory=KeysInHand)
    on_failure: Callable[[int, Failure], None] = lambda lead, failure: None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("engine"))

    @property
    def retrying(self) -> Retrying:
        """How what failed for a passing reason is tried again in this run."""
        policy = self.integration.destination.retry
        return Retrying(policy, self.run.id, self.now, self.store.queue.mapped_at)

    def note(self, text: str, logged: str = "", level: int = logging.WARNING) -> None:
        """Remember something that people should be told once; `logged` is the log's, where the text tells of a lead."""
        if text not in self.notes:
            self.notes.append(text)
            self.log.log(level, "%s", logged or text, extra={"printed": True})

    def fail(self, lead_id: int, failure: Failure, stage: str) -> None:
        """Count that a stage failed a lead, and tell those who observe it. What is stored of it is the stage's own."""
        self.tallies.failed += 1
        self.failures[failure.code] += 1
        self.log.info(
            "a lead failed",
            extra={"lead": lead_id, "code": failure.code, "owner": failure.owner, "stage": stage},
        )
        self.on_failure(lead_id, failure)


class InFlight(Generic[Item, Result]):
    """Calls in threads, at most `places` at once, each with what it was made for."""

    def __init__(self, places: int, name: str) -> None:
        self.places = places
        self._pool = ThreadPoolExecutor(max_workers=places, thread_name_prefix=name)
        self._calls: dict[Future[Result], Item] = {}

    @property
    def free(self) -> int:
        return self.places - len(self._calls)

    @property
    def futures(self) -> list[Future[Result]]:
        return list(self._calls)

    def start(self, item: Item, call: Callable[[Item], Result]) -> None:
        self._calls[self._pool.submit(call, item)] = item

    def ended(self) -> Iterator[tuple[Item, Result | BaseException]]:
        """Yield what has ended with its result, or what it raised."""
        for future in [future for future in self._calls if future.done()]:
            item = self._calls.pop(future)
            error = future.exception()
            yield item, error if error is not None else future.result()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class CallingStage(ABC, Generic[Item, Result]):
    """A stage whose work is calls in threads: it settles those that have ended before it starts others.

    An AbortRun of a call is raised only once the results of the others are stored.
    """

    name: str

    def __init__(self, circumstances: Circumstances, places: int) -> None:
        self._run = circumstances
        self._calls: InFlight[Item, Result] = InFlight(places, self.name)
        self._abort: AbortRun | None = None

    @property
    def in_flight(self) -> Sequence[Future[Any]]:
        return self._calls.futures

    @property
    def next_due(self) -> float | None:
        return None

    def step(self, *, flush: bool) -> bool:
        did = self._settle()
        if self._abort is not None:
            raise self._abort
        return self._start_calls(flush=flush) or did

    def settle(self) -> None:
        self._settle()

    def close(self) -> None:
        self._calls.close()

    @abstractmethod
    def _start_calls(self, *, flush: bool) -> bool:
        """Claim what can be claimed and start its calls; whether there was anything."""

    @abstractmethod
    def _settle(self) -> bool:
        """Store the results of the calls that have ended; whether there were any."""
