"""What the sandbox's providers would charge, by their recordings' figures, and which calls their limits admit."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: So many charges are listed one by one; the sums stay exact beyond that.
LISTED = 100_000
_OWN = ("calls", "polls", "hit", "miss")


@dataclass(slots=True)
class Account:
    """What one provider has charged. `credits` in its own; `price` of one of them, where the file has it."""

    price: Mapping[str, Any] | None
    counts: Counter[str] = field(default_factory=Counter)
    credits: float = 0.0

    def as_json(self) -> dict[str, Any]:
        money = round(self.credits * self.price["amount"], 6) if self.price else None
        return {
            "calls": self.counts["calls"],
            "hits": self.counts["hit"],
            "misses": self.counts["miss"],
            "polls": self.counts["polls"],
            "other": {name: n for name, n in sorted(self.counts.items()) if name not in _OWN},
            "credits": round(self.credits, 6),
            "money": money,
            "currency": self.price.get("currency", "USD") if self.price else None,
        }


class Bill:
    """Counts calls and answers by provider, and lists the charges. Not locked: the sandbox does that."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.charges: deque[dict[str, Any]] = deque(maxlen=LISTED)

    def call(self, provider: str, price: Mapping[str, Any] | None, *, poll: bool = False) -> None:
        """Count a call, whatever becomes of it; a poll asks what became of an earlier one."""
        account = self.accounts.setdefault(provider, Account(price))
        account.counts["polls" if poll else "calls"] += 1

    def answer(self, provider: str, case: str, outcome: str, about: str, credits: float) -> None:
        """Note an answer by its outcome, and its charge where it costs something."""
        account = self.accounts[provider]
        account.counts[outcome] += 1
        account.credits += credits
        if credits:
            self.charges.append({"provider": provider, "case": case, "about": about, "credits": credits})

    def spent(self, provider: str) -> float:
        return self.accounts[provider].credits if provider in self.accounts else 0.0

    def as_json(self) -> dict[str, Any]:
        """By provider: calls, hits, misses, other outcomes, credits, money; and every charge with whom it was for."""
        return {
            "providers": {name: account.as_json() for name, account in sorted(self.accounts.items())},
            "charges": list(self.charges),
        }


class Windows:
    """Counts calls in the windows of providers' limits; a window begins with its first call. Not locked."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, float], tuple[float, int]] = {}

    def admit(self, account: str, limits: Mapping[str, Any], now: float) -> tuple[bool, int, float]:
        """Count a call unless a window is full: whether it was counted, what is left, and seconds until it is more."""
        states = []
        for window in (limits, *limits.get("more", ())):
            if not window.get("calls"):
                continue
            seconds = float(window["window"])
            began, used = self._windows.get((account, seconds), (now, 0))
            if now >= began + seconds:
                began, used = now, 0
            states.append((window["calls"] - used, began, seconds, used))
        full = [began + seconds - now for left, began, seconds, _ in states if left < 1]
        if full:
            return False, 0, max(full)
        for _, began, seconds, used in states:
            self._windows[account, seconds] = (began, used + 1)
        left, began, seconds, _ = min(states, default=(1, now, 0.0, 0))
        return True, left - 1, max(0.0, began + seconds - now)
