"""Marketo Engage as a destination: leads are found by id or email, written in batches, and put in programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from engine.adapters import Config, Context, Vendor
from engine.limits import Limits
from engine.records import Delivery, Field, Found, Outcome, Program
from engine_marketo.client import Client
from engine_marketo.config import CONFIG_SCHEMA, Settings
from engine_marketo.leads import LeadReader, LeadWriter
from engine_marketo.programs import Programs

if TYPE_CHECKING:
    from engine_marketo.sandbox import MarketoSandbox

#: The vendor's data types by the engine's names where they differ; one that is not known is text.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/field-types
_TYPES: Mapping[str, str] = {
    **{
        name: name
        for name in (
            "string", "text", "email", "integer", "float", "boolean", "date", "datetime", "phone", "url", "currency",
            "percent", "reference",
        )
    },
    "score": "integer",
}  # fmt: skip


class MarketoVendor(Vendor):
    """Writes to one Marketo instance. Safe to use from many threads."""

    name = "marketo"
    summary = "Marketo Engage: creates and updates people, and gives them a status in programs."
    config_schema: ClassVar[Mapping[str, Any]] = CONFIG_SCHEMA
    secrets: ClassVar[tuple[str, ...]] = ("client_secret",)
    keys: ClassVar[tuple[str, ...]] = ("lead_id", "email")
    has_programs: ClassVar[bool] = True

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._settings = Settings.read(config)
        self.settle_after = self._settings.settle_after
        window = self._settings.limits.window
        self._client = Client(self._settings, context)
        self._writer = LeadWriter(self._client, window)
        self._reader = LeadReader(self._client)
        self._programs = Programs(self._client, window)

    @property
    def account(self) -> str:
        return self._settings.account

    @property
    def limits(self) -> Limits:
        return self._settings.limits

    def close(self) -> None:
        self._client.close()

    def connect(self) -> None:
        self._client.connect()

    def fields(self) -> Sequence[Field]:
        """The lead fields that the REST API knows. `id` is reported as writable but identifies the lead.

        Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
        """
        rows = self._client.read("/rest/v1/leads/describe.json").get("result")
        described = [row for row in (rows if isinstance(rows, list) else []) if row.get("rest")]
        return [_field(row) for row in described]

    def programs(self, ids: Sequence[str]) -> Mapping[str, Program]:
        return self._programs.read(ids)

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        return self._reader.look_up(deliveries, fields)

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return self._writer.sync(deliveries)

    def enroll(self, program_id: str, status: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        return self._programs.enroll(program_id, status, remote_ids)

    @classmethod
    def sandbox(cls, *, port: int = 0, seed: Mapping[str, Any] | None = None) -> MarketoSandbox:
        from engine_marketo.sandbox import MarketoSandbox

        return MarketoSandbox(port=port, seed=seed)


def _field(row: Mapping[str, Any]) -> Field:
    rest = row["rest"]
    length = row.get("length")
    return Field(
        name=str(rest["name"]),
        type=_TYPES.get(str(row.get("dataType", "")).lower(), "string"),
        label=str(row.get("displayName") or ""),
        length=int(length) if length else None,
        writable=not rest.get("readOnly") and rest["name"] != "id",
    )
