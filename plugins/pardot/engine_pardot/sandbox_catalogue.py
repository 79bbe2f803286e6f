"""The sandbox's smaller collections: custom fields, campaigns and the account.

Source: developer.salesforce.com/docs/marketing/pardot/guide/custom-field-v5, …/campaign-v5, …/account-v5
"""

from __future__ import annotations

from typing import Any

from engine.testing.server import Response
from engine_pardot.sandbox_calls import Call, World
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_gates import Turnstile
from engine_pardot.sandbox_query import plain

_MADE = "id createdAt updatedAt createdById updatedById"
_FILTERS = {"id": "integer", "name": "text", "createdAt": "time", "updatedAt": "time"}
_ORDER = ("id", "name", "createdAt", "updatedAt")
_ACCOUNT = plain("id company createdAt updatedAt apiCallsUsed maximumDailyApiCalls", {})
_CAMPAIGNS = plain(f"{_MADE} name folderId cost parentCampaignId isDeleted salesforceId", _FILTERS, _ORDER)
_CUSTOM_FIELDS = plain(
    f"{_MADE} name fieldId apiFieldId type isRequired isUseValues isRecordMultipleResponses isAnalyticsSynced "
    "salesforceId",
    _FILTERS,
    _ORDER,
)


class Catalogue:
    """Answers what concerns the set-up of the business unit."""

    def __init__(self, world: World, turnstile: Turnstile) -> None:
        self._world = world
        self._unit = world.unit
        self._turnstile = turnstile
        self._made = world.unit.stamp(world.now())

    def custom_fields(self, call: Call) -> Response:
        call.require("configure_fields")
        with self._world.lock:
            records = self._unit.custom_fields.values()
            return self._world.reader.query(records, call.query, _CUSTOM_FIELDS, call.url)

    def custom_field(self, call: Call) -> Response:
        call.require("configure_fields")
        with self._world.lock:
            return self._world.reader.single(self._field(call.id), call.query, _CUSTOM_FIELDS)

    def delete_custom_field(self, call: Call) -> Response:
        """Removes the field, and its values with it."""
        call.require("configure_fields")
        with self._world.lock:
            name = self._field(call.id)["apiFieldId"]
            del self._unit.custom_fields[name]
            for record in self._world.store.records.values():
                record.pop(name, None)
        return Response(204)

    def campaigns(self, call: Call) -> Response:
        with self._world.lock:
            return self._world.reader.query(self._unit.campaigns.values(), call.query, _CAMPAIGNS, call.url)

    def campaign(self, call: Call) -> Response:
        if call.id not in self._unit.campaigns:
            raise ApiError("109")
        return self._world.reader.single(self._unit.campaigns[call.id], call.query, _CAMPAIGNS)

    def account(self, call: Call) -> Response:
        """The account, with how many of the day's calls are used, this one included."""
        account = {
            "id": 1,
            "company": "Example Events",
            "createdAt": self._made,
            "updatedAt": self._made,
            "apiCallsUsed": self._turnstile.today,
            "maximumDailyApiCalls": self._world.switches["daily"],
        }
        return self._world.reader.single(account, call.query, _ACCOUNT)

    def _field(self, number: int) -> dict[str, Any]:
        for record in self._unit.custom_fields.values():
            if record["id"] == number:
                return record
        raise ApiError("109")
