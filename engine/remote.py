"""What the vendor has of what a mapping names, read once and remembered in the catalog until that is old."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.adapters import Vendor
from engine.mapping import Remote
from engine.records import Field, Program
from engine.specs import MappingSpec
from engine.state.catalog import Catalog, FieldKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads for one vendor. `keep`: seconds for which what was read is not read again; `fresh` reads in any case."""

    vendor: Vendor
    catalog: Catalog
    keep: float
    now: Callable[[], float]

    def remote(self, spec: MappingSpec, *, fresh: bool = False) -> Remote:
        """Read all that `spec` names. Raises what the vendor raises."""
        keep = 0.0 if fresh else self.keep
        program_ids = list(dict.fromkeys(row.program_id for row in spec.programs))
        list_ids = list(dict.fromkeys(row.list_id for row in spec.lists))
        of_members = any(row.fields for row in spec.programs)
        return Remote(
            fields=self._fields("fields", keep),
            # None at all means that they may not be read.
            member_fields=(self._fields("member_fields", keep) or None) if of_members else None,
            programs=self._programs(program_ids, keep) if program_ids else None,
            lists=self._lists(list_ids, keep) if list_ids else None,
        )

    def _fields(self, kind: FieldKind, keep: float) -> Sequence[Field]:
        account = self.vendor.catalog
        known = self.catalog.fields(account, kind)
        if known is not None and self._good(known[1], keep):
            return known[0]
        found = self.vendor.fields() if kind == "fields" else self.vendor.member_fields()
        self.catalog.save_fields(account, kind, found, self.now())
        return found

    def _programs(self, ids: Sequence[str], keep: float) -> Mapping[str, Program]:
        account = self.vendor.catalog
        known = self._kept(self.catalog.programs(account), ids, keep)
        if unread := [id for id in ids if id not in known]:
            found = self.vendor.programs(unread)
            self.catalog.save_programs(account, unread, found, self.now())
            known |= found
        return {id: program for id, program in known.items() if program is not None}

    def _lists(self, ids: Sequence[str], keep: float) -> Mapping[str, str]:
        account = self.vendor.catalog
        known = self._kept(self.catalog.lists(account), ids, keep)
        if unread := [id for id in ids if id not in known]:
            found = self.vendor.lists(unread)
            self.catalog.save_lists(account, unread, found, self.now())
            known |= found
        return {id: name for id, name in known.items() if name is not None}

    def _kept(self, entries: Mapping[str, tuple[T, float]], ids: Sequence[str], keep: float) -> dict[str, T]:
        return {id: entries[id][0] for id in ids if id in entries and self._good(entries[id][1], keep)}

    def _good(self, at: float, keep: float) -> bool:
        return 0 <= self.now() - at < keep
