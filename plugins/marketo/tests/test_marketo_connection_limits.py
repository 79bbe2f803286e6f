"""Limits that Marketo reports: waits, pauses of the whole account, and the calls that others make."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from engine.errors import RetryLater, VendorUnavailable

DESCRIBE = "/rest/v1/leads/describe.json"
USAGE = "stats/usage"
CHICAGO = ZoneInfo("America/Chicago")


def test_too_many_calls_at_once_are_waited_out_a_little_longer_each_time(client, sandbox):
    def wait() -> float:
        with pytest.raises(RetryLater) as caught:
            client.read(DESCRIBE)
        return caught.value.after

    sandbox.add_fault(match="describe", error="615", times=20)
    waits = [wait() for _ in range(20)]
    assert waits[:3] == [1.5, 2.25, 3.0]
    assert max(waits) < 7
    client.read(DESCRIBE)
    sandbox.add_fault(match="describe", error="615")
    assert wait() == 1.5


def test_a_rate_limit_holds_every_call_of_the_account(open_client, sandbox, clock, gate):
    client = open_client(gate=gate, limits={"window": 30})
    sandbox.add_fault(match="describe", error="606")
    with pytest.raises(RetryLater) as caught:
        client.read(DESCRIBE)
    assert caught.value.after == 30
    assert not clock.waits
    open_client(gate=gate).read(DESCRIBE)
    assert sum(clock.waits) == pytest.approx(30, abs=1)


def wait_until(sandbox, hour: int, minute: int = 0) -> datetime:
    """Move the sandbox's clock to that hour in Chicago; it only moves forward."""
    now = datetime.fromtimestamp(sandbox.now(), CHICAGO)
    wanted = now.replace(hour=hour, minute=minute, second=0)
    sandbox.advance((wanted.timestamp() - now.timestamp()) % 86_400)
    return datetime.fromtimestamp(sandbox.now(), CHICAGO)


def test_a_spent_quota_pauses_the_account_until_midnight_us_central(open_client, sandbox, gate):
    client = open_client(gate=gate)
    start = wait_until(sandbox, 12)
    sandbox.add_fault(match="describe", error="607")
    with pytest.raises(VendorUnavailable) as caught:
        client.read(DESCRIBE)
    (shown,) = re.findall(r"\d{4}-\d\d-\d\dT\S+", caught.value.why)
    until = datetime.fromisoformat(shown).astimezone(CHICAGO)
    assert (until.hour, until.minute) == (0, 0)
    assert 0 < until.timestamp() - start.timestamp() <= 13 * 3600
    asked = len(sandbox.calls())
    with pytest.raises(VendorUnavailable):
        client.read(DESCRIBE)
    assert len(sandbox.calls()) == asked
    sandbox.advance(13 * 3600)
    assert client.read(DESCRIBE)


def test_a_quota_that_is_still_spent_just_after_midnight_costs_minutes_and_not_a_day(open_client, sandbox, gate):
    client = open_client(gate=gate)
    wait_until(sandbox, 0, 1)
    sandbox.add_fault(match="describe", error="607")
    with pytest.raises(VendorUnavailable):
        client.read(DESCRIBE)
    sandbox.advance(15 * 60)
    assert client.read(DESCRIBE)


def test_calls_of_other_integrations_count_towards_the_quota(connect, sandbox, gate):
    sandbox.seed = {"used": 900}
    sandbox.reset()
    vendor = connect(gate=gate, limits={"daily": 1000, "reserve": 95})
    vendor.connect()
    for _ in range(4):
        vendor.lists(["1001"])
    with pytest.raises(VendorUnavailable):
        vendor.lists(["1001"])


def test_the_count_of_the_day_is_read_again_now_and_then(open_client, sandbox):
    client = open_client(limits={"usage_every": 4})
    for _ in range(9):
        client.read(DESCRIBE)
    assert len(sandbox.calls(USAGE)) == 2
    silent = open_client(limits={"usage_every": None})
    for _ in range(9):
        silent.read(DESCRIBE)
    assert len(sandbox.calls(USAGE)) == 2


@pytest.mark.parametrize("fault", [{"error": "603"}, {"error": "606"}, {"status": 503}, {"body": None}], ids=str)
def test_a_count_that_cannot_be_read_stops_nothing(connect, sandbox, fault):
    sandbox.add_fault(match=USAGE, times=-1, **fault)
    vendor = connect(limits={"usage_every": 1})
    vendor.connect()
    assert vendor.programs(["1107"])


@pytest.mark.parametrize("result", [[], None, {"total": 7}, [{"total": "many"}], [[]]], ids=str)
def test_a_count_in_an_odd_shape_stops_nothing(connect, sandbox, gate, result):
    sandbox.add_fault(match=USAGE, body={"requestId": "1#2", "success": True, "result": result})
    connect(gate=gate).connect()
