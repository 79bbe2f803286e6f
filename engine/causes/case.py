"""A cause of failures: the leads that failed for it, the spec that they failed with, and what the vendor has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as made
from functools import cached_property
from typing import Any

from engine import check, saved_catalog
from engine.adapters import Vendor
from engine.errors import SpecError
from engine.expressions import Names, suggestion
from engine.mapping import Remote
from engine.plugins import Plugins
from engine.records import Field
from engine.saved_catalog import SavedCatalog
from engine.spec_edit import Keys, Step
from engine.specs import FieldRow, Integration, MappingSpec, QualifierRow
from engine.state import Store
from engine.state.causes import Failed


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of the spec that may remove a cause. `unclear`: what it leaves open, for people."""

    what: str
    steps: tuple[Step, ...]
    unclear: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """Leads that failed with one code and, where `field` says so, for one field.

    catalog: what the vendor was seen to have, None where that is not known. given: what people say that a value, an
    answer, a field or a status is to become. mentioned: for what they can say so; all causes of a group share it.
    """

    integration: Integration
    plugins: Plugins
    code: str
    field: str
    leads: Sequence[Failed]
    catalog: SavedCatalog | None = None
    given: Mapping[str, str] = made(default_factory=dict)
    mentioned: dict[str, None] = made(default_factory=dict)

    @cached_property
    def names(self) -> Names:
        return check.names_of(self.integration, self.plugins)

    @cached_property
    def vendor(self) -> type[Vendor]:
        return self.plugins.vendor(self.integration.destination.use)

    @cached_property
    def remote(self) -> Remote:
        return self.remote_of(self.integration.mapping)

    def remote_of(self, mapping: MappingSpec) -> Remote:
        """What the vendor has of what a mapping names, as far as that is known."""
        return self.catalog.remote(mapping) if self.catalog else Remote()

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        return {each.name: each for each in self.remote.fields or ()}

    @cached_property
    def member_fields(self) -> Mapping[str, Field]:
        return {each.name: each for each in self.remote.member_fields or ()}

    def field_rows(self) -> Iterator[tuple[Keys, FieldRow, Mapping[str, Field]]]:
        """The rows that write the field, where each stands, and the vendor's fields of that kind."""
        for row in self.integration.mapping.fields:
            if row.target == self.field:
                yield ("mapping", "fields", row.target), row, self.fields
        for index, program in enumerate(self.integration.mapping.programs):
            for row in program.fields:
                if row.target == self.field:
                    yield ("mapping", "programs", index, "fields", row.target), row, self.member_fields

    def qualifier_rows(self) -> Iterator[tuple[Keys, QualifierRow]]:
        """The rows that write answers to the field, and where each stands."""
        for row in self.integration.mapping.qualifiers:
            if row.field == self.field:
                yield ("mapping", "qualifiers", row.qualifier), row

    def mention(self, names: Iterable[str]) -> None:
        """Note that something can be given for these names."""
        self.mentioned.update(dict.fromkeys(names))


def cases(
    store: Store,
    integration: Integration,
    plugins: Plugins,
    code: str,
    field: str | None = None,
    given: Mapping[str, str] | None = None,
) -> list[Case]:
    """The causes of a group, one for each field that leads failed for, the most frequent first.

    Raises SpecError where no lead has failed so.
    """
    account = store.causes.account(integration.name)
    failed = store.causes.failed(integration.name, code, account)
    if not failed:
        codes = store.selections.codes(integration.name, "failed")
        raise SpecError(f"no lead has failed with {code}", why=f"codes of failed leads: {', '.join(codes) or 'none'}",
                        fix=suggestion(code, codes))  # fmt: skip
    counts = Counter(each.field for each in failed)
    if field is not None and field not in counts:
        known = ", ".join(name or "(none)" for name in counts)
        raise SpecError(f"no lead has failed with {code} for {field!r}", where="--field",
                        why=f"fields of the group: {known}", fix=suggestion(field, list(counts)))  # fmt: skip
    whole = Case(integration, plugins, code, "", failed, _catalog(store, integration, plugins, account), given or {})
    return [
        replace(whole, field=name, leads=[each for each in failed if each.field == name])
        for name, _ in counts.most_common()
        if field is None or name == field
    ]


def _catalog(store: Store, integration: Integration, plugins: Plugins, account: str) -> SavedCatalog | None:
    """What the vendor was last seen to have, by the state, or else by the saved catalog of the spec."""
    name = store.causes.catalog_of(account) if account else ""
    known = store.catalog.fields(name) if name else None
    if known is None:
        own = integration.destination.catalog
        found = saved_catalog.load(integration.folder / own) if own else None
        return found if found and found.vendor == integration.destination.use else None
    members = store.catalog.fields(name, "member_fields")
    return SavedCatalog(
        integration.destination.use,
        account,
        "",
        known[0],
        members[0] if members else None,
        {id: program for id, (program, _) in store.catalog.programs(name).items()},
        {id: title for id, (title, _) in store.catalog.lists(name).items()},
    )


def listed(names: Mapping[str, Any], most: int = 8) -> str:
    """Names for people, the first of them where there are many."""
    shown = ", ".join(repr(name[:60]) for name in list(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
