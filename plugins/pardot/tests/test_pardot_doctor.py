"""The examination of a connection, point by point."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import EngineError


def points(vendor: Any) -> dict[str, Any]:
    return {each.name: each for each in vendor.examine()}


def test_a_good_connection_has_no_bad_point_and_writes_nothing(sandbox: Any, vendor: Any) -> None:
    found = points(vendor)
    assert list(found) == [
        "token host", "signed in", "business unit", "prospects readable", "prospects writable", "custom fields",
        "lists readable", "lists writable", "imports", "quota", "clock",
    ]  # fmt: skip
    unjudged = {"prospects writable", "lists writable", "imports"}
    assert {name for name, each in found.items() if each.ok is not True} == unjudged
    assert found["custom fields"].detail == "7 custom fields"
    assert "Create" in found["prospects writable"].detail
    assert {each["request"].split()[0] for each in sandbox.calls("/api/")} == {"GET"}


@pytest.mark.parametrize(
    ("changes", "point"),
    [
        ({"client_id": "nobody"}, "signed in"),
        ({"client_secret": "wrong"}, "signed in"),
        ({"business_unit_id": "0Uv000000000009CAA"}, "business unit"),
    ],
)
def test_a_wrong_setting_is_the_point_that_fails(
    sandbox: Any, vendors: Any, changes: dict[str, str], point: str
) -> None:
    found = points(vendors(sandbox, **changes))
    assert [name for name, each in found.items() if each.ok is False] == [point]
    assert found[point].detail and found[point].fix
    assert "quota" not in found


def test_a_page_instead_of_a_token_host_is_the_point_that_fails(sandbox: Any, vendor: Any) -> None:
    sandbox.add_fault(match="token", error="404")
    found = points(vendor)
    assert (found["token host"].ok, found["signed in"].ok) == (False, None)


def test_a_host_without_the_api_is_the_point_that_fails(sandbox: Any, vendor: Any) -> None:
    sandbox.add_fault(match="/api/", error="404", times=-1)
    found = points(vendor)
    assert found["API host"].ok is False
    assert "pi.demo.pardot.com" in found["API host"].fix


def test_salesforce_that_is_away_is_raised(sandbox: Any, vendor: Any) -> None:
    sandbox.add_fault(match="token", error="503", times=-1)
    with pytest.raises(EngineError):
        vendor.examine()


@pytest.mark.parametrize(
    ("missing", "point", "ability"),
    [
        ("view", "prospects readable", "Prospects > Prospects > View"),
        ("configure_fields", "custom fields", "Prospects > Configure Fields"),
    ],
)
@pytest.mark.parametrize("code", ["46", "49"])
def test_a_missing_ability_is_named(
    sandboxes: Any, vendors: Any, missing: str, point: str, ability: str, code: str
) -> None:
    abilities = [each for each in ("view", "create", "configure_fields", "lists") if each != missing]
    user = {"id": 1, "email": "integration@example.com", "abilities": abilities}
    sandbox = sandboxes(users=[user], switches={"permission_code": code})
    found = points(vendors(sandbox))
    if (missing, code) == ("view", "49"):
        # Code 49 also stands for a user who is not in the business unit.
        assert found["business unit"].ok is False
        return
    assert (found["business unit"].ok, found[point].ok) == (True, False)
    assert ability in found[point].fix


@pytest.mark.parametrize(
    ("daily", "ok", "words"),
    [(0, False, "no access"), (10_000, False, "settings allow 25000"), (50_000, True, "settings stop at 25000")],
)
def test_the_quota_is_compared_with_the_settings(sandbox: Any, vendors: Any, daily: int, ok: bool, words: str) -> None:
    figures = {"apiCallsUsed": 12, "maximumDailyApiCalls": daily}
    sandbox.add_fault(match="account", status=200, body=figures, times=-1)
    quota = points(vendors(sandbox))["quota"]
    assert (quota.ok, words in quota.detail) == (ok, True)


def test_a_quota_that_is_nearly_used_up_says_when_it_comes_back(sandbox: Any, vendors: Any) -> None:
    figures = {"apiCallsUsed": 24_000, "maximumDailyApiCalls": 25_000}
    sandbox.add_fault(match="account", status=200, body=figures, times=-1)
    quota = points(vendors(sandbox, limits={"day_zone": "Europe/Oslo", "reserve": 100}))["quota"]
    assert (quota.ok, "(Europe/Oslo)" in quota.fix, "100 are left" in quota.detail) == (False, True, True)


def test_a_quota_that_cannot_be_read_is_not_judged(sandbox: Any, vendor: Any) -> None:
    sandbox.switches["api_usage"] = "unknown"
    sandbox.add_fault(match="account", error="198", times=-1)
    assert points(vendor)["quota"].ok is None


def test_a_clock_that_is_wrong_is_told(sandbox: Any, vendor: Any) -> None:
    sandbox.advance(300)
    clock = points(vendor)["clock"]
    assert clock.ok is False
    assert "ahead of" in clock.detail
