"""What is wrong with a waterfall is shown by `engine check`, with its place, before anything is asked."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.cli import build_cli


def checked(folder: Path, enrichment: Any, capsys: pytest.CaptureFixture[str]) -> str:
    """What `engine check` says about a spec with this enrichment."""
    spec = {
        "version": 1,
        "name": "expo",
        "source": {"use": "csv", "path": "leads.csv"},
        "enrichment": enrichment,
        "destination": {
            "use": "marketo",
            "config": {"base_url": "https://123-abc-456.mktorest.com", "client_id": "x", "client_secret": {"env": "X"}},
        },
        "mapping": {"fields": {"email": "lead.email"}},
    }
    path = folder / "expo.yaml"
    path.write_text(json.dumps(spec, indent=1), "utf-8")
    with pytest.raises(SystemExit):
        build_cli()(["check", str(path)])
    said = capsys.readouterr()
    return said.out + said.err


KEY = {"config": {"api_key": {"env": "NOT_SET_HERE"}}}


@pytest.mark.parametrize(
    ("enrichment", "said"),
    [
        ({"steps": [{"use": "hunter_person", **KEY}], "fields": {"email": {"order": ["hunter"]}}},
         "no step is called 'hunter'"),
        ({"steps": [{"use": "hunter_person", **KEY}], "fields": {"phone_type": {"order": ["hunter_person"]}}},
         "does not give 'phone_type'"),
        ({"steps": [{"use": "hunter_person", **KEY}],
          "fields": {"city": {"verify": [{"use": "hunter_verifier", **KEY}]}}},
         "only email addresses"),
        ({"steps": [{"use": "hunter_person", **KEY}],
          "fields": {"email": {"verify": [{"use": "hunter_person", **KEY}]}}},
         "does not verify addresses"),
        ({"steps": [{"use": "hunter_person", "budget": {"calls": 9, "day": {"calls": 5}}, **KEY}]},
         "budget of a day"),
        ([{"use": "normalize", "budget": {"calls": 9}}], "makes no calls"),
        ([{"use": "hunter_person", "label": "a", **KEY}, {"use": "apollo_person", "label": "a", **KEY}],
         "two steps are called 'a'"),
        ([{"use": "hunter_person", "budget": {"cost": 5}, **KEY}], "needs the price of a credit of hunter_person"),
        ([{"use": "http", "config": {"file": "acme.yaml", "api_key": {"env": "NOT_SET_HERE"}}}], "acme.yaml"),
        ([{"use": "hunter_person", "want": ["emial"], **KEY}], "emial"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_waterfall_is_found(
    tmp_path: Path, enrichment: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = checked(tmp_path, enrichment, capsys)
    assert said in found and "expo.yaml:" in found.replace("acme.yaml", "expo.yaml:")
    assert "1 error" in found


def test_a_sound_waterfall_needs_no_key_to_be_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    priced = {"api_key": {"env": "NOT_SET_HERE"}, "price": {"amount": 0.1, "currency": "EUR"}}
    steps = [{"use": "hunter_person", "budget": {"cost": 5}, "config": priced}]
    assert "nothing is wrong" in checked(tmp_path, steps, capsys)


def test_one_budget_in_money_takes_one_currency(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def step(name: str, currency: str) -> dict[str, Any]:
        return {"use": name, "config": {**KEY["config"], "price": {"amount": 0.1, "currency": currency}}}

    steps = [step("hunter_person", "EUR"), step("apollo_person", "USD")]
    assert "several currencies" in checked(tmp_path, {"steps": steps, "budget": {"cost": 5}}, capsys)


def test_a_step_that_cannot_give_a_field_is_not_to_be_asked_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {"mobile_phone": {"order": ["hunter_email_finder"]}, "job_title": {"order": ["hunter_email_finder"]}}
    steps = [{"use": "hunter_email_finder", "want": ["email"], **KEY}]
    found = checked(tmp_path, {"steps": steps, "fields": fields}, capsys)
    lines = [line for line in found.splitlines() if " | " not in line]  # without the lines of the file
    told = [(line, fix) for line, fix in pairwise(lines) if "does not give" in line]
    assert ["'mobile_phone'" in told[0][0], "'job_title'" in told[1][0]] == [True, True]
    assert [fix for _, fix in told] == ["  fix: Take the step out of the order.", "  fix: Add it to the step's `want`."]


def test_a_misspelt_provider_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [{"use": "hunter_persn", **KEY}, {"use": "apollo_person", **KEY}]
    found = checked(tmp_path, {"steps": steps, "fields": {"email": {"order": ["hunter_person"]}}}, capsys)
    assert "no enricher called 'hunter_persn'" in found
    assert "1 error" in found


def test_two_steps_of_one_name_are_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [{"use": "lusha_person", "want": ["email"], **KEY}, {"use": "lusha_person", "want": ["phone"], **KEY}]
    found = checked(tmp_path, {"steps": steps, "fields": {"email": {"order": ["lusha_person"]}}}, capsys)
    assert "two steps are called 'lusha_person'" in found
    assert "1 error" in found


@pytest.mark.parametrize(
    ("enrichment", "said"),
    [
        ([{"use": "hunter_person", "config": {"apikey": {"env": "X"}}}], "unknown setting 'apikey'"),
        ([{"use": "hunter_person", "config": {**KEY["config"], "limits": {"cals": 4}}}], "Did you mean 'calls'?"),
        ([{"use": "hunter_person", "want": [], **KEY}], "want"),
        ({"steps": [], "callbacks": {"listen": "127.0.0.1:99999", "url": "https://x.example"}}, "no such port"),
        ({"steps": [], "callbacks": {"listen": "127.0.0.1:99", "url": "http://x.example"}}, "in the clear"),
    ],
)
def test_a_mistake_in_a_setting_is_found(
    tmp_path: Path, enrichment: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in checked(tmp_path, enrichment, capsys)
