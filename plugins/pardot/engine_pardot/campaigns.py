"""Fields that only a new prospect gets, its campaign above all: a prospect's campaign is that of the first touch.

An upsert has one payload for new and for known prospects, so these fields follow in a second call, by id, once the
upsert has answered that it created. Should the second call fail, the repeated upsert finds a prospect that is not new
any more. It is completed then, if the same lead was sent before, and the prospect was created by the same user in the
last days and still has of these fields what its creation left there: nothing, or the campaign that Pardot gives a
prospect without one, which is the oldest.
Source: developer.salesforce.com/docs/marketing/pardot/guide/campaign-v5
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from engine.adapters import Context
from engine.casts import stored_as
from engine_pardot.client import Client
from engine_pardot.errors import Denied
from engine_pardot.lookup import moment

CAMPAIGN = "campaignId"
#: What an upsert is asked to tell who and when a prospect was created, beside its id.
TELLING = ("createdAt", "updatedAt", "createdById", "updatedById")
#: A quota that is spent on a Friday is there again before this.
_COMPLETED_WITHIN = timedelta(days=3)
#: Seconds within which a prospect counts as created by the call that has just been answered; clocks differ.
_JUST_NOW = 600.0


class OnCreate:
    """Tells which of the fields for new prospects are to be written. Safe to use from many threads."""

    def __init__(self, client: Client, context: Context) -> None:
        self._client = client
        self._context = context
        self._lock = threading.Lock()
        self._oldest: Sequence[str] | None = None

    def due(self, answer: Mapping[str, Any], fields: Mapping[str, Any], *, repeated: bool) -> Mapping[str, Any]:
        """Those of the `fields` that the prospect of an upsert's `answer` still lacks as a new one.

        `repeated`: the lead was sent before, so that the prospect may be the one that it created then.

        Raises RetryLater, CredentialsError, VendorUnavailable.
        """
        known = {name: value for name, value in fields.items() if name in answer}
        if was_created(answer, self._context.now()):
            # Another campaign than the one that new prospects get was given it a moment ago.
            moved = CAMPAIGN in known and answer[CAMPAIGN] and not self._is_untouched(CAMPAIGN, answer[CAMPAIGN])
            return {name: value for name, value in fields.items() if not (moved and name == CAMPAIGN)}
        user = answer.get("createdById")
        age = moment(answer.get("updatedAt")) - moment(answer.get("createdAt"))
        if not repeated or user is None or user != answer.get("updatedById") or age > _COMPLETED_WITHIN:
            return {}
        return {
            name: value
            for name, value in known.items()
            if not stored_as(value, answer[name]) and self._is_untouched(name, answer[name])
        }

    def _is_untouched(self, name: str, held: Any) -> bool:
        return not held or (name == CAMPAIGN and str(held) in self._oldest_campaign())

    def _oldest_campaign(self) -> Sequence[str]:
        """The id of the campaign that prospects without one are put in; none where campaigns may not be read."""
        with self._lock:
            if self._oldest is None:
                params = {"fields": "id", "orderBy": "id ASC", "limit": "1"}
                try:
                    found = self._client.find("campaigns", params).data.get("values") or ()
                except Denied as error:
                    self._context.log.warning(
                        "pardot: the campaigns cannot be read, so a prospect whose second call failed keeps the "
                        "campaign that Pardot gave it: %s",
                        error.what,
                    )
                    found = ()
                self._oldest = [str(campaign["id"]) for campaign in found if campaign.get("id")]
            return self._oldest


def was_created(answer: Mapping[str, Any], now: float) -> bool:
    """Whether a write that was answered at Unix time `now` created the prospect, which Pardot does not say.

    On a new prospect both times are the same, and recent: whether an update that changes nothing moves the second one
    is not documented.
    """
    created = answer.get("createdAt")
    if created is None or created != answer.get("updatedAt"):
        return False
    if answer.get("createdById") != answer.get("updatedById"):
        return False
    return abs(now - moment(created).timestamp()) <= _JUST_NOW


def campaign_ids(client: Client) -> tuple[str, ...]:
    """The ids of the account's campaigns, as what `campaignId` takes; none where they may not be read.

    Raises RetryLater, CredentialsError for other reasons than a missing ability, VendorUnavailable.
    """
    try:
        return tuple(
            str(campaign["id"]) for campaign in client.pages("campaigns", {"fields": "id"}) if campaign.get("id")
        )
    except Denied:
        return ()
