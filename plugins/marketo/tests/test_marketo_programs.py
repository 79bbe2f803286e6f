"""What is read of programs."""

from __future__ import annotations

import pytest

from engine.errors import CredentialsError, SpecError


@pytest.mark.parametrize("missing", ["warning", "702"])
def test_programs_that_exist_come_with_their_statuses(vendor, sandbox, missing):
    sandbox.switches["asset_missing"] = missing
    programs = vendor.programs(["1107", "1108", "9999", "Expo"])
    assert set(programs) == {"1107", "1108"}
    assert programs["1107"].name == "Expo 2026"
    assert programs["1107"].statuses == ("Invited", "Registered", "Member", "Engaged", "Attended")
    assert len(sandbox.calls("channel")) == 1


def test_a_program_whose_channel_is_gone_has_no_statuses(vendor, sandbox):
    sandbox.seed = {"programs": [{"id": 5, "name": "Webinar", "channel": "Gone"}]}
    sandbox.reset()
    assert vendor.programs(["5"])["5"].statuses == ()


def test_statuses_are_in_the_order_of_their_steps_and_hidden_ones_stay(vendor, sandbox):
    statuses = [{"name": "Won", "step": 50}, {"name": "Asked", "step": 5, "hidden": True}, {"name": "Came", "step": 20}]
    sandbox.seed = {
        "channels": [{"name": "Dinner", "statuses": statuses}],
        "programs": [{"id": 5, "name": "Dinner, Oslo", "channel": "Dinner"}],
    }
    sandbox.reset()
    program = vendor.programs(["5"])["5"]
    assert (program.name, program.statuses) == ("Dinner, Oslo", ("Asked", "Came", "Won"))


def test_a_channel_with_a_comma_in_its_name_is_found(vendor, sandbox):
    sandbox.seed = {
        "channels": [
            *({"name": f"Channel {number}", "statuses": []} for number in range(250)),
            {"name": "Dinner, small", "statuses": [{"name": "Came", "step": 20}]},
        ],
        "programs": [{"id": 5, "name": "Dinner", "channel": "Dinner, small"}],
    }
    sandbox.reset()
    assert vendor.programs(["5"])["5"].statuses == ("Came",)


def test_a_program_that_the_database_does_not_find_is_missing(vendor, sandbox):
    sandbox.add_fault(match="program/1107", error="1013")
    assert set(vendor.programs(["1107", "1108"])) == {"1108"}


def archive(sandbox):
    programs = [{"id": number, "name": f"Expo {number}", "channel": "Tradeshow"} for number in (5, 6, 7)]
    sandbox.seed = {"programs": [{**programs[0], "archived": True}, {**programs[1], "archived": True}, programs[2]]}
    sandbox.reset()


def test_programs_in_an_archived_folder_take_no_members(vendor, sandbox):
    archive(sandbox)
    programs = vendor.programs(["5", "6", "7"])
    assert "archived" in programs["5"].refusal and "Archive" in programs["6"].refusal
    assert programs["7"].refusal == ""
    assert len(sandbox.calls("folder")) == 2


def test_archived_programs_take_members_where_the_settings_say_so(connect, sandbox):
    archive(sandbox)
    assert connect(archived_programs="allow").programs(["5"])["5"].refusal == ""
    assert sandbox.calls("folder") == []


@pytest.mark.parametrize("code", ["702", "603", "1099"])
def test_a_folder_that_cannot_be_read_is_no_refusal(vendor, sandbox, code):
    archive(sandbox)
    sandbox.add_fault(match="folder", error=code)
    assert vendor.programs(["5"])["5"].refusal == ""


def test_missing_permission_for_programs_is_a_matter_of_credentials(vendor, sandbox):
    client = {"client_id": "sandbox", "client_secret": "sandbox-secret", "permissions": ["Read-Write Lead"]}
    sandbox.seed = {"clients": [client]}
    sandbox.reset()
    assert vendor.fields()
    with pytest.raises(CredentialsError, match="Read-Only Assets"):
        vendor.programs(["1107"])


def test_a_refusal_that_is_not_understood_is_shown(vendor, sandbox):
    sandbox.add_fault(match="program/1107", error="1099")
    with pytest.raises(SpecError, match="1099"):
        vendor.programs(["1107"])
