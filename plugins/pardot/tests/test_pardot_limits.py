"""Limits: what the settings allow, what Pardot reports, and the calls that other integrations make."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from engine_pardot.usage import Usage, usage_of

from engine.errors import CredentialsError, NoAnswer, NotTaken, RetryLater, SpecError, VendorUnavailable

#: A write of a prospect: an upsert, or by id to whom one created a moment ago.
WRITE = "(POST|PATCH) .*/prospects"


@pytest.mark.parametrize(
    ("given", "daily"),
    [
        ({}, 25_000),
        ({"edition": "growth"}, 25_000),
        ({"edition": "plus"}, 50_000),
        ({"edition": "advanced"}, 100_000),
        ({"edition": "premium"}, 100_000),
        ({"edition": "plus", "daily": 60_000}, 60_000),
    ],
)
def test_the_edition_says_how_many_calls_a_day_has(
    sandbox: Any, vendors: Any, given: dict[str, Any], daily: int
) -> None:
    limits = vendors(sandbox, limits=given).limits
    assert (limits.batch_size, limits.concurrency, limits.daily, limits.calls) == (1, 5, daily, None)


def test_every_limit_can_be_lowered(sandbox: Any, vendors: Any) -> None:
    given = {"calls": 3, "window": 2.0, "concurrency": 4, "reserve": 9, "alert": None, "day_zone": "Europe/Oslo"}
    limits = vendors(sandbox, limits=given).limits
    assert (limits.calls, limits.window, limits.concurrency) == (3, 2.0, 4)
    assert (limits.reserve, limits.alert, limits.day_zone) == (9, None, "Europe/Oslo")


@pytest.mark.parametrize(
    ("given", "words"), [({"daily": 10, "reserve": 10}, "reserve"), ({"day_zone": "Mars/Base"}, "day_zone")]
)
def test_limits_that_cannot_be_are_refused(sandbox: Any, vendors: Any, given: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        vendors(sandbox, limits=given)


@pytest.mark.parametrize("status", [429, 400, 403, "v4"])
def test_limits_are_read_from_the_body_whatever_the_status(
    sandbox: Any, vendor: Any, delivery: Any, status: Any
) -> None:
    sandbox.switches["limit_status"] = status
    sandbox.add_fault(match=WRITE, error="66")
    with pytest.raises(NotTaken) as busy:
        vendor.sync([delivery()])
    assert busy.value.after == 2.0

    sandbox.switches["daily"] = 0
    with pytest.raises(VendorUnavailable, match="quota"):
        vendor.sync([delivery()])
    assert sandbox.state()["prospects"] == []


def test_too_many_calls_at_once_are_waited_out_a_little_longer_each_time(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    def wait() -> float:
        with pytest.raises(NotTaken) as busy:
            vendor.sync([delivery()])
        return float(busy.value.after)

    sandbox.add_fault(match=WRITE, error="66", times=20)
    waits = [wait() for _ in range(20)]
    assert waits[:3] == [2.0, 3.0, 4.0]
    assert max(waits) == 9.0
    assert vendor.sync([delivery()])[0].status == "created"
    sandbox.add_fault(match=WRITE, error="66")
    assert wait() == 2.0


def test_a_run_does_not_wait_for_ever_while_no_call_is_taken(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.add_fault(match=WRITE, error="66", times=-1)
    with pytest.raises(NotTaken):
        vendor.sync([delivery()])
    sandbox.advance(601)
    with pytest.raises(VendorUnavailable, match="code 66"):
        vendor.sync([delivery()])


@pytest.mark.parametrize(("fault", "after"), [({"error": "202"}, 60.0), ({"error": "429"}, 5.0)])
def test_other_limits_say_how_long_to_wait_and_are_no_attempt(
    sandbox: Any, vendor: Any, delivery: Any, fault: dict[str, Any], after: float
) -> None:
    sandbox.add_fault(match=WRITE, **fault)
    with pytest.raises(NotTaken) as slow:
        vendor.sync([delivery()])
    assert slow.value.after == after


def test_a_spent_quota_pauses_the_account_until_its_own_midnight(
    sandbox: Any, vendors: Any, delivery: Any, gate: Any
) -> None:
    vendor = vendors(sandbox, gate=gate, limits={"day_zone": "America/New_York"})
    # Around noon there: near midnight, the quota may be about to be given anew.
    sandbox.advance(vendor.limits.day_ends(sandbox.now()) - sandbox.now() + 43_200)
    sandbox.add_fault(match=WRITE, error="122")
    with pytest.raises(VendorUnavailable) as spent:
        vendor.sync([delivery()])
    assert "T00:00:00" in spent.value.why and "(America/New_York)" in spent.value.why
    calls = len(sandbox.calls())
    with pytest.raises(VendorUnavailable):
        vendor.sync([delivery()])
    assert len(sandbox.calls()) == calls
    limits = vendor.limits
    sandbox.advance(limits.day_ends(sandbox.now()) - sandbox.now() + 1)
    assert vendor.sync([delivery()])[0].status == "created"


def test_without_the_time_zone_a_spent_quota_is_tried_again_after_an_hour(
    sandbox: Any, vendors: Any, delivery: Any, gate: Any
) -> None:
    vendor = vendors(sandbox, gate=gate)
    sandbox.add_fault(match=WRITE, error="122")
    with pytest.raises(VendorUnavailable) as spent:
        vendor.sync([delivery()])
    assert "limits.day_zone" in spent.value.fix
    sandbox.advance(3000)
    with pytest.raises(VendorUnavailable):
        vendor.sync([delivery()])
    sandbox.advance(601)
    assert vendor.sync([delivery()])[0].status == "created"


def test_calls_of_other_integrations_count_from_the_start(sandbox: Any, vendors: Any, delivery: Any, gate: Any) -> None:
    others = vendors(sandbox)
    for number in range(4):
        others.sync([delivery(f"p{number}@example.com")])
    vendor = vendors(sandbox, gate=gate, limits={"daily": 10, "reserve": 4})
    vendor.connect()
    vendor.sync([delivery()])
    with pytest.raises(VendorUnavailable, match="reserved"):
        vendor.sync([delivery()])


@pytest.mark.parametrize(("every", "seen"), [(4, 7), (None, 4)])
def test_now_and_then_a_call_asks_for_the_count_of_all(
    sandbox: Any, vendors: Any, delivery: Any, gate: Any, store: Any, every: int | None, seen: int
) -> None:
    vendor, others = vendors(sandbox, gate=gate, limits={"usage_every": every}), vendors(sandbox)
    for _ in range(3):
        vendor.sync([delivery()])
        others.sync([delivery()])
    assert store.quotas.used(vendor.account, sandbox.now()) == 3
    vendor.sync([delivery()])
    assert store.quotas.used(vendor.account, sandbox.now()) == seen


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("1234/25000", Usage(1234, 25_000)),
        ("api-usage=18/5000", Usage(18, 5_000)),
        ("used 1,234 of 25,000", Usage(1234, 25_000)),
        ("77", Usage(77)),
        ("", None),
        ("none", None),
    ],
)
def test_the_count_is_read_in_any_plausible_form(header: str, usage: Usage | None) -> None:
    assert usage_of(header) == usage


@pytest.mark.parametrize("form", ["api-usage={used}/{allowed}", "{used}", "unknown"])
def test_the_account_tells_the_count_whatever_the_header_says(
    sandbox: Any, vendors: Any, delivery: Any, gate: Any, store: Any, form: str
) -> None:
    sandbox.switches["api_usage"] = form
    for _ in range(3):
        vendors(sandbox).sync([delivery()])
    vendor = vendors(sandbox, gate=gate)
    vendor.connect()
    assert store.quotas.used(vendor.account, sandbox.now()) == 4


def test_an_account_that_allows_less_than_the_settings_is_told(sandbox: Any, vendors: Any, caplog: Any) -> None:
    sandbox.switches["daily"] = 10_000
    with caplog.at_level(logging.WARNING, logger="engine"):
        vendors(sandbox).connect()
    assert "allows 10000 calls a day and the settings 25000" in caplog.text


def test_a_token_that_dies_with_its_successor_is_no_fault_of_credentials_that_served(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    vendor.sync([delivery()])
    sandbox.advance(2)
    sandbox.add_fault(match=WRITE, error="184", times=2)
    with pytest.raises(NotTaken) as refused:
        vendor.sync([delivery()])
    assert not isinstance(refused.value, NoAnswer)
    assert vendor.sync([delivery()])[0].status == "updated"


def test_credentials_that_stop_serving_for_good_end_the_run(sandbox: Any, vendor: Any, delivery: Any) -> None:
    vendor.sync([delivery()])
    sandbox.add_fault(match=WRITE, error="184", times=-1)
    for _ in range(4):
        with pytest.raises(RetryLater):
            vendor.sync([delivery()])
        sandbox.advance(2)
    with pytest.raises(CredentialsError):
        vendor.sync([delivery()])
