"""Stand in front of a vendor: all that is asked is passed on, save what a subclass answers itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from engine.adapters import Bulk, Examined, Vendor
from engine.limits import Limits
from engine.records import Decision, Delivery, Field, Found, Member, Membership, Outcome, Program, Standing

#: Attributes of a vendor's class that stages and checks look at.
_OF_CLASS = ("name", "summary", "keys", "field_keys", "named", "searched", "on_create", "shares_keys", "actions",
             "codes", "has_programs", "has_lists", "usual_fields", "config_schema",
             "secrets")  # fmt: skip
Made = TypeVar("Made", bound="Front")


class Front(Vendor):
    """Passes everything on to the `real` vendor. Made by `in_front`, so that its class looks like the vendor's."""

    def __init__(self, real: Vendor) -> None:
        super().__init__(real.config, real.context)
        self.real = real
        self.settle_after = real.settle_after
        self.search_lag = real.search_lag

    @property
    def account(self) -> str:
        return self.real.account

    @property
    def catalog(self) -> str:
        return self.real.catalog

    @property
    def limits(self) -> Limits:
        return self.real.limits

    @property
    def bulk(self) -> Bulk | None:
        return self.real.bulk

    def connect(self) -> None:
        self.real.connect()

    def close(self) -> None:
        self.real.close()

    def fields(self) -> Sequence[Field]:
        return self.real.fields()

    def member_fields(self) -> Sequence[Field]:
        return self.real.member_fields()

    def programs(self, ids: Sequence[str]) -> Mapping[str, Program]:
        return self.real.programs(ids)

    def lists(self, ids: Sequence[str]) -> Mapping[str, str]:
        return self.real.lists(ids)

    def examine(self) -> Sequence[Examined]:
        return self.real.examine()

    def can_ask(self, decision: Decision) -> bool:
        return self.real.can_ask(decision)

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        return self.real.look_up(deliveries, fields)

    def standings(self, place: Membership, remote_ids: Sequence[str]) -> Mapping[str, Standing] | None:
        return self.real.standings(place, remote_ids)

    def foreseen(self, delivery: Delivery, *, created: bool) -> Mapping[str, Any]:
        return self.real.foreseen(delivery, created=created)

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return self.real.sync(deliveries)

    def enroll(self, program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        return self.real.enroll(program_id, status, members)

    def add_to_list(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        return self.real.add_to_list(list_id, remote_ids)


def in_front(kind: type[Made], real: Vendor, *arguments: Any) -> Made:
    """Make a front of this kind that looks like the vendor to all who ask its class."""
    of_class = {name: getattr(type(real), name) for name in _OF_CLASS}
    made: type[Made] = type(kind.__name__, (kind,), of_class)
    return made(real, *arguments)
