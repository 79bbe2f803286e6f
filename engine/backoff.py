"""Automatic retries of what failed for a passing reason: how long until the next one, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

#: Seconds until the first retry where the vendor asks for none, and the most between two.
FIRST, LONGEST = 1.0, 300.0
#: By how much a wait is drawn out or cut at most, so that two engines do not keep in step.
JITTER = 0.25


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a delivery is tried, and for how many seconds, before its lead fails."""

    attempts: int = 10
    give_up_after: float = 86_400.0


@dataclass(frozen=True)
class Retrying:
    """The policy at work in one run. `seed` decides the jitter; `since` tells when a delivery was made (Unix time)."""

    policy: RetryPolicy
    seed: str
    now: Callable[[], float]
    since: Callable[[int], float]

    def over(self, attempts: int, delivery_id: int) -> bool:
        """Whether a delivery that was tried so often is tried no more."""
        if attempts >= self.policy.attempts:
            return True
        return attempts > 1 and self.now() - self.since(delivery_id) > self.policy.give_up_after

    def due(self, asked: float, attempts: int) -> float:
        """When to try again (Unix time): never before what the vendor asks for, and later with each attempt."""
        return self.now() + max(asked, self._grown(attempts))

    def _grown(self, attempts: int) -> float:
        digest = blake2b(f"{self.seed}:{attempts}".encode(), digest_size=4).digest()
        share = int.from_bytes(digest, "big") / 2**32
        return min(LONGEST, FIRST * 2.0 ** max(0, attempts - 1)) * (1 + JITTER * (2 * share - 1))
