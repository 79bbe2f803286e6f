"""Pardot as a destination: prospects are written one by one, matched by email, and put on lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.adapters import Bulk, Config, Context, Examined, Vendor
from engine.codes import VendorCode
from engine.limits import Limits
from engine.records import Delivery, Field, Found, Membership, Outcome, Standing
from engine_pardot.bulk import BulkImport
from engine_pardot.campaigns import CAMPAIGN, campaign_ids
from engine_pardot.client import Client
from engine_pardot.codes import CODES
from engine_pardot.config import CONFIG_SCHEMA
from engine_pardot.examine import Examination
from engine_pardot.fields import STANDARD, USUAL, CustomFields, without_opt_ins
from engine_pardot.lists import Lists
from engine_pardot.lookup import EMAIL, ID, ProspectReader
from engine_pardot.prospects import ProspectWriter
from engine_pardot.settings import Settings

if TYPE_CHECKING:
    from engine_pardot.sandbox import PardotSandbox


class PardotVendor(Vendor):
    """Writes to one business unit. Safe to use from many threads."""

    name = "pardot"
    summary = "Writes leads as prospects to Pardot (Marketing Cloud Account Engagement)."
    config_schema: ClassVar[Mapping[str, Any]] = CONFIG_SCHEMA
    secrets: ClassVar[tuple[str, ...]] = ("client_secret", "refresh_token", "private_key")
    keys: ClassVar[tuple[str, ...]] = (EMAIL, ID)
    named: ClassVar[tuple[str, ...]] = (ID,)
    on_create: ClassVar[bool] = True
    shares_keys: ClassVar[bool] = True
    codes: ClassVar[Sequence[VendorCode]] = CODES
    has_lists: ClassVar[bool] = True
    usual_fields: ClassVar[Mapping[str, str]] = USUAL

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._settings = settings = Settings.read(config)
        self.settle_after = settings.settle_after
        self.search_lag = self.settle_after
        self._client = Client(config, settings, context)
        self._custom = CustomFields(self._client)
        self._reader = ProspectReader(self._client, self._custom)
        self._writer = ProspectWriter(self._client, self._custom, settings, context)
        self._lists = Lists(self._client, context)
        self._bulk = BulkImport(self._client, settings, context, self._custom)

    @property
    def account(self) -> str:
        return self._settings.account

    @property
    def limits(self) -> Limits:
        return self._settings.limits

    def close(self) -> None:
        self._client.close()

    @property
    def bulk(self) -> Bulk:
        return self._bulk

    def connect(self) -> None:
        """Sign in, and read how many calls the day has seen, which a wrong business unit refuses: two calls.

        Raises CredentialsError, SpecError, VendorUnavailable, RetryLater.
        """
        self._client.sign_in()
        self._client.tell_usage()

    def examine(self) -> Sequence[Examined]:
        host = str(self.config["token_url"])
        return Examination(self._client, self._custom, self._settings, self.context, host).points()

    def fields(self) -> Sequence[Field]:
        """The standard fields and the live custom ones. Raises CredentialsError, RetryLater, VendorUnavailable."""
        campaigns = campaign_ids(self._client)
        standard = [replace(field, options=campaigns) if field.name == CAMPAIGN else field for field in STANDARD]
        return (*standard, *self._custom.read())

    def lists(self, ids: Sequence[str]) -> Mapping[str, str]:
        return self._lists.read(ids)

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        """Read the one prospect per delivery that a write would choose; several may share an address legally."""
        return [self._reader.look_up(delivery, fields) for delivery in deliveries]

    def foreseen(self, delivery: Delivery, *, created: bool) -> Mapping[str, Any]:
        """What a write leaves: an opt-out is never taken back."""
        return without_opt_ins(super().foreseen(delivery, created=created))[0]

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return [self._writer.write(delivery) for delivery in deliveries]

    def add_to_list(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        return self._lists.add(list_id, remote_ids)

    def standings(self, place: Membership, remote_ids: Sequence[str]) -> Mapping[str, Standing]:
        return self._lists.standings(place.target, remote_ids) if place.kind == "list" else {}

    @classmethod
    def sandbox(cls, *, port: int = 0, seed: Mapping[str, Any] | None = None) -> PardotSandbox:
        from engine_pardot.sandbox import PardotSandbox

        return PardotSandbox(port=port, seed=seed)
