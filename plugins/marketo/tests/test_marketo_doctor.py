"""The examination of a connection: every point says what is so, and what to do where it is not."""

from __future__ import annotations

import pytest
from engine_marketo.vendor import MarketoVendor

from engine.adapters import Context
from engine.errors import RetryLater

USER = {"client_id": "sandbox", "client_secret": "sandbox-secret", "user": "api@example.com"}
ALL = ("Read-Write Lead", "Read-Only Assets", "Read-Only Schema Standard Field", "Read-Only Schema Custom Field")


def seeded(sandbox, *permissions, **seed):
    sandbox.seed = {"clients": [{**USER, "permissions": permissions}], **seed}
    sandbox.reset()


def examined(vendor):
    return {point.name: point for point in vendor.examine()}


def test_a_sound_connection_has_no_point_that_fails(connect, sandbox):
    seeded(sandbox, *ALL)
    points = examined(connect(partition="Default"))
    assert list(points) == [
        "identity", "signed in", "REST address", "Read-Write Lead", "Read-Only Assets", "schema", "partition", "quota",
        "clock", "bulk import",
    ]  # fmt: skip
    assert all(point.ok for point in points.values())
    assert points["signed in"].detail == "as api@example.com"
    assert points["REST address"].detail == sandbox.url
    assert points["quota"].detail.endswith("of 50000 calls made today by all integrations")


def test_the_examination_writes_nothing(vendor, sandbox):
    before = sandbox.state()
    vendor.examine()
    after = sandbox.state()
    assert {**before, "counts": None} == {**after, "counts": None}


@pytest.mark.parametrize(
    ("held", "point", "ok"),
    [
        (("Read-Only Assets",), "Read-Write Lead", False),
        (("Read-Only Lead", "Read-Only Assets"), "Read-Write Lead", False),
        (("Read-Write Lead",), "Read-Only Assets", False),
        (("Read-Write Lead", "Read-Only Assets"), "schema", None),
        (("Read-Only Assets",), "bulk import", None),
    ],
)
def test_a_missing_permission_is_named_with_what_to_give(connect, sandbox, held, point, ok):
    seeded(sandbox, *held)
    found = examined(connect())[point]
    assert found.ok is ok
    assert "603" in found.detail
    assert "Read-" in found.fix and "role" in found.fix


def test_wrong_credentials_are_a_point_and_end_the_examination(connect, sandbox):
    points = connect(client_secret="wrong-secret").examine()
    assert [(point.name, point.ok) for point in points] == [("identity", True), ("signed in", False)]
    assert "LaunchPoint" in points[-1].fix
    assert "wrong-secret" not in repr(points)
    assert len(sandbox.calls()) == 1


def test_a_host_that_cannot_be_reached_is_told_as_connecting_tells_it(connect, sandbox):
    sandbox.add_fault(match="oauth", drop="before")
    with pytest.raises(RetryLater):
        connect().examine()


def test_an_identity_service_at_another_address_is_a_point(connect, sandbox):
    sandbox.add_fault(match="oauth", status=404, body="<html></html>")
    (point,) = connect().examine()
    assert (point.name, point.ok) == ("identity", False)
    assert "base_url" in point.fix


def test_a_wrong_rest_address_is_a_point_of_its_own(connect, sandbox):
    sandbox.add_fault(match="/rest/", status=404, body="<html></html>", times=-1)
    points = examined(connect())
    assert list(points) == ["identity", "signed in", "REST address"]  # the rest would only repeat it
    assert points["signed in"].ok and points["REST address"].ok is False
    assert "base_url" in points["REST address"].fix


def test_what_cannot_be_asked_now_is_not_judged(connect, sandbox):
    sandbox.add_fault(match="/rest/|/bulk/", status=503, body="<html></html>", times=-1)
    points = examined(connect(partition="Default"))
    assert {point.ok for name, point in points.items() if name not in {"identity", "signed in", "clock"}} == {None}


def test_the_partition_is_looked_for(connect, sandbox):
    seeded(sandbox, *ALL, partitions=[{"name": "EMEA"}])
    assert examined(connect(partition="EMEA"))["partition"].ok
    missing = examined(connect(partition="APAC"))["partition"]
    assert missing.ok is False and "Default, EMEA" in missing.detail
    assert "Default, EMEA" in examined(connect())["partition"].detail
    sandbox.add_fault(match="partitions", error="603")
    assert examined(connect(partition="EMEA"))["partition"].ok is None


@pytest.mark.parametrize(
    ("limits", "ok"),
    [
        ({"daily": 1200}, True),
        ({"daily": 1100}, False),  # above 80 %
        ({"daily": 1100, "alert": None}, True),
        ({"daily": 1100, "alert": None, "reserve": 200}, False),
        ({"daily": None}, True),
    ],
    ids=str,
)
def test_the_quota_is_judged_by_the_calls_of_all_integrations(connect, sandbox, limits, ok):
    seeded(sandbox, *ALL, used=900)
    quota = examined(connect(limits=limits))["quota"]
    assert quota.ok is ok
    assert quota.detail.startswith("90")
    assert ("(America/Chicago)" in quota.fix) is not ok


def test_a_quota_that_cannot_be_read_is_not_judged(connect, sandbox):
    sandbox.add_fault(match="usage", error="603", times=-1)
    assert examined(connect())["quota"].ok is None


@pytest.mark.parametrize(("apart", "word"), [(90, "ahead of"), (-90, "behind")])
def test_a_clock_that_is_wrong_is_named(sandbox, clock, apart, word):
    config = {"base_url": sandbox.url, "client_id": "sandbox", "client_secret": "sandbox-secret"}
    vendor = MarketoVendor(config, Context(now=lambda: clock.now() + apart, sleep=clock.sleep))
    found = examined(vendor)["clock"]
    vendor.close()
    assert found.ok is False
    assert word in found.detail and "NTP" in found.fix


def test_the_header_tells_the_time_where_request_ids_do_not(connect, sandbox):
    sandbox.add_fault(match="/rest/|/bulk/", body={"requestId": "abc", "success": True, "result": []}, times=-1)
    assert examined(connect())["clock"].ok
    sandbox.advance(3000)  # the header keeps the machine's own time
    assert examined(connect())["clock"].ok is False
