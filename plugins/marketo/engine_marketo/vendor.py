"""Marketo Engage as a destination: leads are found by id or email, written in batches, and put in programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from engine.adapters import Bulk, Config, Context, Examined, Vendor
from engine.codes import VendorCode
from engine.limits import Limits
from engine.records import Decision, Delivery, Field, Found, Member, Membership, Outcome, Program, Standing
from engine_marketo.bulk import BulkImport
from engine_marketo.client import Client
from engine_marketo.codes import CODES
from engine_marketo.config import Settings
from engine_marketo.examine import Examination
from engine_marketo.fields import USUAL, describe
from engine_marketo.leads import LeadWriter
from engine_marketo.lists import Lists
from engine_marketo.lookup import LeadReader, askable
from engine_marketo.partitions import check_partition, partitions
from engine_marketo.programs import Programs
from engine_marketo.schema import CONFIG_SCHEMA

if TYPE_CHECKING:
    from engine_marketo.sandbox import MarketoSandbox


class MarketoVendor(Vendor):
    """Writes to one Marketo instance. Safe to use from many threads."""

    name = "marketo"
    summary = "Marketo Engage: creates and updates people, and gives them a status in programs."
    config_schema: ClassVar[Mapping[str, Any]] = CONFIG_SCHEMA
    secrets: ClassVar[tuple[str, ...]] = ("client_secret",)
    keys: ClassVar[tuple[str, ...]] = ("lead_id", "email")
    field_keys: ClassVar[bool] = True
    named: ClassVar[tuple[str, ...]] = ("lead_id",)
    searched: ClassVar[tuple[str, ...]] = ("lead_id",)
    actions: ClassVar[tuple[str, ...]] = ("upsert", "create_only", "update_only")
    codes: ClassVar[Sequence[VendorCode]] = CODES
    has_programs: ClassVar[bool] = True
    has_lists: ClassVar[bool] = True
    usual_fields: ClassVar[Mapping[str, str]] = USUAL

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._settings = settings = Settings.read(config)
        # What was written at the last moment is found by a search only a little later.
        self.settle_after = settings.settle_after + settings.read_lag
        self._client = Client(settings, context)
        self._reader = LeadReader(self._client, settings)
        self._writer = LeadWriter(self._client, self._reader, settings)
        self._programs = Programs(self._client, settings)
        self._lists = Lists(self._client, settings)
        self._bulk = BulkImport(self._client, settings, self.fields)

    @property
    def account(self) -> str:
        return self._settings.account

    @property
    def catalog(self) -> str:
        settings = self._settings
        return f"{settings.account}|company {settings.company_fields}|archived {settings.archived_programs}"

    @property
    def limits(self) -> Limits:
        return self._settings.limits

    def close(self) -> None:
        self._client.close()

    @property
    def bulk(self) -> Bulk:
        return self._bulk

    def connect(self) -> None:
        """Sign in, read how many calls the day has seen, and see that the partition exists: two or three calls.

        Raises CredentialsError, SpecError naming the partition, VendorUnavailable, RetryLater.
        """
        self._client.sign_in()
        self._client.tell_usage()
        if name := self._settings.partition:
            found = partitions(self._client)
            if found is None:
                self.context.log.info("marketo: the API user may not read the partitions, so %r is not checked", name)
            else:
                check_partition(found, name)

    def examine(self) -> Sequence[Examined]:
        return Examination(self._client, self._settings, self.context).points()

    def fields(self) -> Sequence[Field]:
        return describe(self._client, self._settings)

    def member_fields(self) -> Sequence[Field]:
        return self._programs.member_fields()

    def programs(self, ids: Sequence[str]) -> Mapping[str, Program]:
        return self._programs.read(ids)

    def lists(self, ids: Sequence[str]) -> Mapping[str, str]:
        return self._lists.read(ids)

    def can_ask(self, decision: Decision) -> bool:
        return askable(decision)

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        return self._reader.look_up(deliveries, fields)

    def foreseen(self, delivery: Delivery, *, created: bool) -> Mapping[str, Any]:
        """What a write leaves: the key is written as it is matched by."""
        fields, decision = dict(super().foreseen(delivery, created=created)), delivery.decision
        return fields if decision.by in self.named else {**fields, decision.by: decision.value}

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return self._writer.sync(deliveries)

    def enroll(self, program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        return self._programs.enroll(program_id, status, members)

    def add_to_list(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        return self._lists.add(list_id, remote_ids)

    def standings(self, place: Membership, remote_ids: Sequence[str]) -> Mapping[str, Standing]:
        if place.kind == "list":
            return self._lists.standings(place.target, remote_ids)
        return self._programs.standings(place.target, place.status, remote_ids)

    @classmethod
    def sandbox(cls, *, port: int = 0, seed: Mapping[str, Any] | None = None) -> MarketoSandbox:
        from engine_marketo.sandbox import MarketoSandbox

        return MarketoSandbox(port=port, seed=seed)
