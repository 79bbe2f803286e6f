"""Commands that ask a vendor and write nothing there: doctor, fields, check --live."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.records import Field
from engine.redaction import redact
from engine.state import Store
from tests.conftest import Bench

DAY = 86_400.0
CANNOT_READ_ASSETS = {"client_id": "sandbox", "client_secret": "sandbox-secret", "permissions": ["Read-Write Lead"]}


@pytest.fixture
def environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Start a vendor's sandbox and put its settings into the environment, as `engine sandbox` prints them."""

    def start(vendor: str = "marketo", **seed: Any) -> Any:
        box = getattr(bench, vendor)(**seed)
        for name, value in box.environment().items():
            monkeypatch.setenv(name, value)
        return box

    return start


Environment = Callable[..., Any]


def some_state(bench: Bench) -> None:
    Store(bench.state).close()


def written(box: Any) -> Any:
    """What a vendor holds."""
    state = box.state()
    return {name: state[name] for name in ("leads", "prospects", "members", "lists") if name in state}


# Doctor --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_a_connection_that_works_is_shown_point_by_point(bench: Bench, environment: Environment, vendor: str) -> None:
    before = written(environment(vendor))
    for target in (vendor, bench.spec(vendor)):
        done = bench.cli("doctor", target)
        assert (done.code, done.err) == (0, "")
        assert "✓  signed in" in done.out and "nothing failed" in done.out
        assert "✗" not in done.out
    assert written(getattr(bench, vendor)()) == before
    told = bench.cli("doctor", vendor, "--json").json
    assert (told["schema_version"], told["vendor"], told["exit_code"]) == (1, vendor, 0)
    assert {"name", "ok", "detail", "fix"} == set(told["points"][0])
    assert not bench.state.exists(), "a look makes no state"


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_refused_credentials_end_with_4_and_say_what_to_do(
    bench: Bench, environment: Environment, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    environment(vendor)
    monkeypatch.setenv(f"{vendor.upper()}_CLIENT_SECRET", "hunter2-wrong")
    done = bench.cli("doctor", vendor)
    assert done.code == 4
    assert "✗  signed in" in done.out and "fix: " in done.out
    assert "hunter2" not in done.out + done.err
    assert redact("hunter2-wrong") == "***", "a secret of the environment is kept out of every message"


def test_a_permission_that_is_missing_is_a_point_of_its_own_and_ends_with_1(
    bench: Bench, environment: Environment
) -> None:
    environment(clients=[CANNOT_READ_ASSETS])
    done = bench.cli("doctor", "marketo", "--json")
    points = {point["name"]: point for point in done.json["points"]}
    assert (done.code, done.json["exit_code"]) == (1, 1)
    assert points["signed in"]["ok"] is True
    assert points["Read-Only Assets"]["ok"] is False and "Read-Only Assets" in points["Read-Only Assets"]["fix"]
    assert "✗  Read-Only Assets" in bench.cli("doctor", "marketo").out


def test_a_vendor_that_does_not_answer_ends_with_5(
    bench: Bench, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment()
    monkeypatch.setenv("MARKETO_BASE_URL", "http://127.0.0.1:9")
    done = bench.cli("doctor", "marketo")
    assert done.code == 5
    assert "✗  connection" in done.out and "fix: See that the settings name the right host" in done.out


def test_everything_that_is_missing_from_the_environment_is_named_at_once(
    bench: Bench, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment()
    monkeypatch.delenv("MARKETO_CLIENT_ID")
    monkeypatch.delenv("MARKETO_CLIENT_SECRET")
    monkeypatch.setenv("MARKETO_TIMEOUT", "soon")
    done = bench.cli("doctor", "marketo")
    assert (done.code, done.out) == (2, "")
    assert "MARKETO_TIMEOUT: a number is wanted" in done.err
    assert "export MARKETO_CLIENT_ID=… MARKETO_CLIENT_SECRET=…" in done.err


def test_settings_of_the_environment_are_cast_as_the_vendor_declares_them(
    bench: Bench, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment("pardot")
    monkeypatch.setenv("PARDOT_TIMEOUT", "7.5")
    monkeypatch.setenv("PARDOT_SECONDARY_DELETED_SEARCH", "False")
    monkeypatch.setenv("PARDOT_LIMITS", '{"concurrency": 1}')
    assert bench.cli("doctor", "pardot").code == 0
    monkeypatch.setenv("PARDOT_TIMEOUT", "-1")
    refused = bench.cli("doctor", "pardot")
    assert (refused.code, "timeout" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("target", "said"),
    [("markto", "Did you mean 'marketo'?"), ("nowhere.yaml", "cannot read the spec"), ("./marketo", "cannot read")],
)
def test_what_is_neither_a_spec_nor_a_vendor_is_refused(bench: Bench, target: str, said: str) -> None:
    for command in ("doctor", "fields"):
        done = bench.cli(command, target)
        assert (done.code, done.out) == (2, "")
        assert said in done.err


def test_calls_keep_to_the_limits_of_runs_where_there_is_a_state(bench: Bench) -> None:
    spec = bench.spec(config={"limits": {"daily": 1}})
    assert bench.cli("fields", spec).code == 0, "without a state nothing is counted"
    some_state(bench)
    done = bench.cli("fields", spec)
    assert done.code == 5
    assert "quota" in done.err


# Fields --------------------------------------------------------------------------------------------------------------


def test_fields_are_shown_by_the_names_that_a_mapping_uses(bench: Bench, environment: Environment) -> None:
    environment()
    shown = bench.cli("fields", "marketo")
    assert (shown.code, shown.err) == (0, "")
    row = next(line for line in shown.out.splitlines() if line.split()[:1] == ["leadType"])
    assert row.split()[:6] == ["leadType", "Lead", "Type", "string", "255", "yes"]
    assert "read just now" in shown.out
    found = bench.cli("fields", "marketo", "--search", "lead TYPE", "--json").json
    assert [field["name"] for field in found["fields"]] == ["leadType"]
    assert found["account"].startswith("marketo:") and found["schema_version"] == 1
    everything = bench.cli("fields", "marketo", "--json").json["fields"]
    writable = bench.cli("fields", "marketo", "--writable", "--json").json["fields"]
    assert 0 < len(writable) < len(everything)
    assert all(field["writable"] for field in writable)


def test_a_search_that_finds_nothing_says_what_was_probably_meant(bench: Bench, environment: Environment) -> None:
    environment()
    assert "Did you mean 'company'?" in bench.cli("fields", "marketo", "--search", "compny").out


def test_the_fields_of_memberships_are_a_list_of_their_own(bench: Bench, environment: Environment) -> None:
    environment()
    environment("pardot")
    members = {field["name"] for field in bench.cli("fields", "marketo", "--members", "--json").json["fields"]}
    assert "registrationCode" in members and "email" not in members
    refused = bench.cli("fields", "pardot", "--members")
    assert (refused.code, "pardot has no programs" in refused.err) == (2, True)


def _kept_under(store: Store) -> str:
    """What the one field list in the state is remembered under."""
    ((name,),) = store.database.rows("SELECT DISTINCT account FROM catalog")
    return str(name)


def test_fields_come_from_the_state_while_they_are_young_and_show_their_age(
    bench: Bench, environment: Environment
) -> None:
    box = environment()
    some_state(bench)
    bench.cli("fields", "marketo")
    calls = len(box.calls())
    assert "read just now; " not in bench.cli("fields", "marketo").out
    assert len(box.calls()) == calls, "what was read a moment ago is not read again"

    with Store(bench.state) as store:
        store.catalog.save_fields(_kept_under(store), "fields", [Field("remembered")], time.time() - 3 * 3600)
    shown = bench.cli("fields", "marketo")
    assert "remembered" in shown.out and "read 3 h ago; --refresh reads anew" in shown.out
    assert "remembered" not in bench.cli("fields", "marketo", "--refresh").out
    assert len(box.calls()) > calls

    with Store(bench.state) as store:
        store.catalog.save_fields(_kept_under(store), "fields", [Field("remembered")], time.time() - DAY - 1)
    assert "remembered" not in bench.cli("fields", "marketo").out


def test_a_spec_says_how_long_fields_are_remembered(bench: Bench) -> None:
    spec = bench.spec()
    some_state(bench)
    bench.cli("fields", spec)
    with Store(bench.state) as store:
        store.catalog.save_fields(_kept_under(store), "fields", [Field("remembered")], time.time() - 60)
    assert "read 1 min ago" in bench.cli("fields", spec).out
    text = spec.read_text("utf-8").replace('"use": "marketo"', '"use": "marketo", "refresh_after": 30')
    spec.write_text(text, "utf-8")
    assert "remembered" not in bench.cli("fields", spec).out


# Check against the vendor --------------------------------------------------------------------------------------------


def problems(bench: Bench, **changes: Any) -> dict[str, dict[str, Any]]:
    """What a live check of a spec finds, by what."""
    done = bench.cli("check", "--live", bench.spec(**changes), "--json")
    found = done.json["problems"]
    assert done.code == (2 if found else 0), done.err
    assert all(problem["where"]["line"] > 1 and problem["where"]["column"] for problem in found)
    return {problem["what"]: problem for problem in found}


def test_a_spec_that_fits_the_vendor_is_said_to_and_nothing_is_written(bench: Bench) -> None:
    before = written(bench.marketo())
    spec = bench.spec(mapping={"programs": [{"program_id": 1107, "status": "Registered"}]})
    done = bench.cli("check", "--live", spec)
    assert (done.code, done.err) == (0, "")
    assert "nothing is wrong\ncompared with marketo:" in done.out
    assert written(bench.marketo()) == before
    assert not bench.state.exists()


def test_everything_that_the_vendor_does_not_have_is_shown_at_once_with_its_place(bench: Bench) -> None:
    mapping = {
        "qualifiers": {
            "Heat": {"field": "leadTyp"},
            "Size": {"field": "numberOfEmployees", "options": {"Many": "500", "Few": "a few"}},
        },
        "programs": [
            {"program_id": 1107, "status": "Registred", "fields": {"registrationCod": "lead.badge_id",
                                                                    "programId": "'1'", "rating": "'x'"}},
            {"program_id": 9999, "status": "Registered"},
            {"program_id": 1107, "status_from": {"qualifier": "Heat", "options": {"Hot": "Attendd"}}},
        ],
        "lists": [{"list_id": 987654}],
    }  # fmt: skip
    fields = {
        "email": "lead.email",
        "frstName": "lead.first_name",
        "createdAt": "lead.captured_at",
        "leadRole": f"'{'x' * 51}'",
        "leadScore": {"value": "lead.scans", "default": "none"},
        "leadSource": {"value": f"'{'x' * 300}'", "too_long": "truncate"},
        "title": {"value": "lead.job_title | truncate(255)", "when": "lead.email is blank"},
    }
    matching = [{"by": "email", "value": "lead.email"}, {"by": "leadTpe", "value": "lead.notes"}]
    source = {"qualifiers": {"Heat": "Heat", "Size": "Size"}}
    found = problems(bench, fields=fields, mapping=mapping, matching=matching, source=source)
    hints = {what: problem["fix"] for what, problem in found.items()}
    assert hints.pop("marketo has no field 'frstName'") == "Did you mean 'firstName'?"
    assert hints.pop("marketo has no field 'leadTyp'") == "Did you mean 'leadType'?"
    assert hints.pop("marketo has no field 'leadTpe'") == "Did you mean 'leadType'?"
    assert hints.pop("a member of a program has no field 'registrationCod'") == "Did you mean 'registrationCode'?"
    assert hints.pop("program 1107 (Expo 2026) has no status 'Registred'") == "Did you mean 'Registered'?"
    assert hints.pop("program 1107 (Expo 2026) has no status 'Attendd'") == "Did you mean 'Attended'?"
    assert "there is no program 9999" in hints and "there is no list 987654" in hints
    assert "'createdAt' cannot be written" in hints and "'programId' cannot be written" in hints
    rest = sorted(what.split(":")[0] for what in hints if ":" in what)
    assert rest == ["leadRole", "leadScore", "numberOfEmployees", "rating"]
    assert len({problem["where"]["line"] for problem in found.values()}) == len(found), "each at its own line"
    lines = (bench.folder / "expo.yaml").read_text("utf-8").splitlines()
    for what, named in (("marketo has no field 'frstName'", '"frstName"'), ("there is no program 9999", "9999"),
                        ("program 1107 (Expo 2026) has no status 'Attendd'", '"Hot"')):  # fmt: skip
        assert named in lines[found[what]["where"]["line"] - 1]


def test_a_matching_rule_by_a_field_that_cannot_be_searched_is_shown(bench: Bench) -> None:
    rule = {"by": "leadScore", "value": "lead.notes"}
    found = problems(bench, matching=[{"by": "email", "value": "lead.email"}, rule])
    assert list(found) == ["no lead can be found by 'leadScore'"]


def test_what_is_wrong_in_the_spec_alone_is_shown_with_what_the_vendor_says(bench: Bench) -> None:
    fields = {"email": "lead.emial", "frstName": "lead.first_name"}
    assert list(problems(bench, fields=fields)) == [
        "'lead.emial': unknown lead field 'emial'",
        "marketo has no field 'frstName'",
    ]


def test_a_setting_that_is_wrong_is_shown_once(bench: Bench) -> None:
    done = bench.cli("check", "--live", bench.spec(config={"timeout": "soon"}), "--json")
    assert (done.code, len(done.json["problems"])) == (2, 1)
    assert "expo.yaml" in done.json["problems"][0]["where"]["path"]


def test_a_live_check_ends_as_a_run_would_where_the_vendor_refuses_or_does_not_answer(bench: Bench) -> None:
    bench.secret("secret", "hunter2-wrong")
    refused = bench.cli("check", "--live", bench.spec())
    assert refused.code == 4
    assert "refused the sign-in" in refused.err and "hunter2" not in refused.err
    gone = bench.cli("check", "--live", bench.spec(config={"base_url": "http://127.0.0.1:9"}))
    assert gone.code == 5
    assert "cannot be reached" in gone.err
    wrong = bench.spec(fields={"email": "lead.emial"}, config={"base_url": "http://127.0.0.1:9"})
    both = bench.cli("check", "--live", wrong)
    assert (both.code, "2 errors" in both.err) == (2, True)


def test_a_missing_permission_does_not_hide_the_other_problems(bench: Bench) -> None:
    bench.marketo(clients=[CANNOT_READ_ASSETS])
    mapping = {"programs": [{"program_id": 1107, "status": "Registered"}]}
    done = bench.cli("check", "--live", bench.spec(fields={"email": "lead.email", "frstName": "''"}, mapping=mapping))
    assert done.code == 2
    assert "marketo has no field 'frstName'" in done.err and "denies access" in done.err


def test_without_live_no_call_is_made(bench: Bench) -> None:
    assert bench.cli("check", bench.spec(fields={"email": "lead.email", "frstName": "lead.first_name"})).code == 0
    assert bench.marketo().calls() == []
