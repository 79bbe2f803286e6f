"""The enrichment part of a spec: the waterfall's steps, what becomes of each field, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.records import EMAIL_STATUSES

#: Address statuses that are taken where a spec does not choose.
ACCEPTED = tuple(status for status in EMAIL_STATUSES if status not in ("invalid", "wrong_kind"))


@dataclass(frozen=True, slots=True)
class Budget:
    """The most calls and the most money of a run, and of a day (UTC) over all runs; None is no limit."""

    calls: int | None = None
    cost: float | None = None
    day_calls: int | None = None
    day_cost: float | None = None

    @property
    def in_money(self) -> bool:
        return self.cost is not None or self.day_cost is not None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the waterfall. `label`: what the fields' `order` calls it. `max_age` of an answer in days."""

    use: str
    label: str = ""
    want: tuple[str, ...] = ()
    min_confidence: float = 0.0
    budget: Budget = field(default_factory=Budget)
    when: str = ""
    max_age: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """How one field is won.

    order: the labels of the only steps that may give it, in their order for this field; empty: all, in the waterfall's.
    choose: take the first value that is good enough, or ask all and take the surest. accept: address statuses that are
    good enough. verify: steps that judge an address before it is taken, until one of them knows.
    """

    order: tuple[str, ...] = ()
    choose: Literal["first", "best"] = "first"
    min_confidence: float = 0.0
    accept: tuple[str, ...] = ACCEPTED
    verify: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrichment:
    """A whole waterfall. `at` is where its steps stand in the spec, as a dotted path.

    deadline: seconds after which a lead goes on with what it has, None for no such. when: an expression; a lead for
    which it is not true is asked of no provider. listen: the local address ("127.0.0.1:8790") that posted answers
    arrive at; callback_url: the public address that leads there.
    """

    steps: tuple[Step, ...] = ()
    fields: Mapping[str, FieldPolicy] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    deadline: float | None = None
    when: str = ""
    listen: str = ""
    callback_url: str = ""
    at: str = field(default="enrichment", compare=False)

    def policy(self, field: str) -> FieldPolicy:
        return self.fields.get(field) or _USUAL

    def placed(self) -> list[tuple[str, Step]]:
        """Every step with its place in the spec: those of the waterfall, then those that verify."""
        found = [(f"{self.at}.{index}", step) for index, step in enumerate(self.steps)]
        for name, policy in self.fields.items():
            found += [(f"enrichment.fields.{name}.verify.{n}", step) for n, step in enumerate(policy.verify)]
        return found


_USUAL = FieldPolicy()


def read(raw: Any) -> Enrichment:
    """The waterfall of a spec that the schema has accepted: a list of steps, or a mapping around one."""
    if isinstance(raw, Mapping):
        callbacks = raw.get("callbacks", {})
        return Enrichment(
            steps=_steps(raw["steps"]),
            fields={name: _policy(policy) for name, policy in raw.get("fields", {}).items()},
            budget=_budget(raw.get("budget", {})),
            deadline=raw.get("deadline"),
            when=raw.get("when", ""),
            listen=callbacks.get("listen", ""),
            callback_url=callbacks.get("url", ""),
            at="enrichment.steps",
        )
    return Enrichment(_steps(raw or ()))


def _steps(raw: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    kept = ("use", "label", "min_confidence", "when", "max_age", "config")
    return tuple(
        Step(
            **{key: step[key] for key in kept if key in step},
            want=tuple(step.get("want", ())),
            budget=_budget(step.get("budget", {})),
        )
        for step in raw
    )


def _policy(raw: Mapping[str, Any]) -> FieldPolicy:
    kept: dict[str, Any] = {key: raw[key] for key in ("choose", "min_confidence") if key in raw}
    kept |= {key: tuple(raw[key]) for key in ("order", "accept") if key in raw}
    return FieldPolicy(**kept, verify=_steps(raw.get("verify", ())))


def _budget(raw: Mapping[str, Any]) -> Budget:
    day = raw.get("day", {})
    return Budget(raw.get("calls"), raw.get("cost"), day.get("calls"), day.get("cost"))
