"""Map: what is known of a lead becomes what is written to the vendor, checked before any call is spent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from typing import Any

import orjson

from engine.casts import EMAIL
from engine.filters import fold, text
from engine.mapping import Compiled
from engine.records import Failure, Lead, Write
from engine.specs import Rule
from engine.stages.base import Circumstances
from engine.state.moves import Mapped

BATCH = 1_000


class Keys:
    """The matching rules, compiled: which keys a lead has, in the order of the rules."""

    def __init__(
        self,
        rules: Sequence[tuple[Rule, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]]],
        *,
        finding: Callable[[str], bool] = lambda by: False,
    ) -> None:
        """`finding`: whether a key that is not a lead's last is for finding somebody only, and creates nobody."""
        self._rules = [(rule.by, rule.options, value) for rule, value in rules]
        self._finding = finding

    def of(self, lead: Lead) -> list[list[Any]] | Failure:
        """`[[by, value], …]`, with the rule's options as a third item where it has any.

        An email address is trimmed and in lower case, for vendors compare them so.
        """
        fields = {**lead.fields, "remote_id": lead.remote_id or ""}
        keys: list[list[Any]] = []
        for by, options, value in self._rules:
            try:
                found = text(value(fields, lead.qualifiers)).strip()
            except (ValueError, TypeError, ArithmeticError) as error:
                return Failure("DATA_VALUE_VALIDATION", f"the matching rule by {by} cannot be worked out: {error}")
            if not found:
                continue
            if by == "email":
                found = found.lower()
                if EMAIL.fullmatch(found) is None:
                    return Failure("DATA_VALUE_VALIDATION", f"email: {found!r} is no email address", field="email")
            keys.append([by, found, options] if options else [by, found])
        if not keys:
            names = " or ".join(dict.fromkeys(by for by, _, _ in self._rules))
            return Failure("MISSING_MATCH_KEY", f"the lead has no {names} to match by")
        for key in keys[:-1]:
            options = key[2] if len(key) > 2 else {}
            if self._finding(key[0]) and "action" not in options:
                key[2:] = [{**options, "action": "update_only"}]
        return keys


def worked_out(
    mapping: Compiled, keys: Keys, lead: Lead, log: logging.Logger
) -> tuple[Write, list[list[Any]], bytes] | Failure:
    """What is written of a lead, by which keys, and what is compared of it with what was sent before; or a failure.

    Raises nothing: a filter of a third party may raise anything, and one lead must not stop the others.
    """
    try:
        found = mapping.apply(lead)
        if isinstance(found, Failure):
            return found
        by = keys.of(lead)
        return by if isinstance(by, Failure) else (found, by, _packed(found))
    except Exception as error:
        log.exception("mapping a lead broke", extra={"lead": lead.id, "stage": "map"})
        return Failure("PLUGIN_ERROR", f"the mapping broke on this lead: {error!r}")


class MapStage:
    """Maps enriched leads. What needs no look-up at the vendor goes straight on to sync."""

    name = "map"

    def __init__(
        self, circumstances: Circumstances, mapping: Compiled, keys: Keys, searched: Sequence[str] = ()
    ) -> None:
        self._run = circumstances
        self._searched = frozenset(searched)
        self._mapping = mapping
        self._keys = keys
        mode = circumstances.integration.destination.sync_mode
        ready = "mapped" if mapping.reads_blanks else "matched"
        self._ready = "mapped" if mode == "disabled" else ready
        self._hold = mode == "manual"
        #: The events of the leads that were mapped, for comparing them with the spec's.
        self.events: set[str] = set()

    @property
    def in_flight(self) -> Sequence[Future[Any]]:
        return ()

    @property
    def next_due(self) -> float | None:
        return None

    def settle(self) -> None:
        """Nothing of a mapping is ever in flight."""

    def close(self) -> None:
        """A mapping holds nothing."""

    def step(self, *, flush: bool) -> bool:
        run = self._run
        queue = run.store.queue
        leads = queue.leads(run.run.integration_id, "enriched", run.account, BATCH, run.now())
        if not leads:
            return False
        self.events.update(event for lead in leads for event in lead.events if event)
        results = [self._map(lead) for lead in leads]
        queue.save_mapped(run.run.id, run.run.spec_digest, self.name, results, run.now())
        run.tallies.mapped += len(results)
        for result in results:
            if result.status not in {"mapped", "matched"}:
                run.in_hand.drop(result.lead_id)
            if result.failure:
                run.fail(result.lead_id, result.failure, self.name)
            elif result.status == "written":
                run.tallies.unchanged += 1
        return True

    def notes(self) -> list[str]:
        """Events on one side only: a mistyped event would otherwise pass as a lead without a program."""
        rows = {row.event: fold(row.event) for row in self._run.integration.mapping.programs if row.event}
        seen = {event: fold(event) for event in sorted(self.events)}
        if not rows or not seen:
            return []
        listed = ", ".join(seen)
        return [
            *(f"no lead of this run was captured at {event!r}, which a program names (its events: {listed})"
              for event, folded in rows.items() if folded not in seen.values()),
            *(f"no program names the event {event!r}: its leads get no membership"
              for event, folded in seen.items() if folded not in rows.values()),
        ]  # fmt: skip

    def _map(self, lead: Lead) -> Mapped:
        found = worked_out(self._mapping, self._keys, lead, self._run.log)
        if isinstance(found, Failure):
            return Mapped(lead.id, "failed", failure=found)
        write, keys, packed = found
        digest = blake2b(packed, digest_size=8).digest()
        payload: dict[str, Any] = {"fields": write.fields, "keys": keys, "digest": digest.hex()}
        if write.if_blank:
            payload["if_blank"] = write.if_blank
        if write.on_create:
            payload["on_create"] = write.on_create
        places = write.memberships
        if places:
            payload["memberships"] = [(place.target, place.status) for place in places]
        if digest == lead.sent_digest:
            return Mapped(lead.id, "written", payload, memberships=places, notices=write.notices)
        ready = "mapped" if keys[0][0] in self._searched else self._ready
        if self._hold and not lead.released:
            ready = "frozen"
        return Mapped(lead.id, ready, payload, memberships=places, notices=write.notices)


def _packed(write: Write) -> bytes:
    """What of a write is compared with what was sent before; what is for new records only changes no known one."""
    return orjson.dumps([write.fields, write.if_blank])
