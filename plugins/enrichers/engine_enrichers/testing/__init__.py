"""The conformance suite for provider files: what a file and its recording have to hold, over real HTTP.

Two lines try a file of your own, with its recording in the folder `recordings` beside the file's folder:

    class TestAcme(ProviderConformance):
        files = [Path("providers/acme.yaml")]

The enricher is built from the file, asks a local sandbox that answers from the recording, and every case of the
recording has to end as it says. A persona needs a value for every input of the file, so that every set can be tried.
"""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest

from engine.asking import EnrichAnswer
from engine.errors import CredentialsError, EngineError, NoAnswer, RetryLater, VendorUnavailable
from engine.limits import Limits
from engine.records import LEAD_FIELDS
from engine_enrichers.sandbox.files import stub_of
from engine_enrichers.sandbox.people import complete
from engine_enrichers.sandbox.templates import fill
from engine_enrichers.testing.trial import Trial, TrialSandbox, damaged, load, outcome_of, same_value

#: Values that try to leave the place that a template has for them.
HOSTILE = (
    "../../admin", "..", "a/b//c", "x?admin=1&y=2", "x#y", "http://evil.example/", "//evil.example", "a\r\nX-Evil: 1",
    "a\x00b", "\"};{\"$if\":'", "{api_key}", "{{7*7}}", "%2e%2e%2f", "Ünïcødé 名前 \u202e", "z" * 10_000,
)  # fmt: skip
#: Answers that are none.
GARBAGE: tuple[Any, ...] = (
    None, True, 0, "text", [], {}, [None], [[]], {"data": None}, {"error": True}, b"", b"{", b"\xff\xfe", b"[" * 5000,
    "<html><body>Just a moment...</body></html>", b'{"a": NaN}',
)  # fmt: skip
OUTCOMES = frozenset({"hit", "miss", "rejected", "pending", "skipped", "suppressed", "throttled", "quota", "auth",
                      "bad_request", "error"})  # fmt: skip
CASES = ("hit", "miss", "auth", "throttled", "bad_request", "error")
_SECRET = "s3cr3t-credential-of-the-trial"  # noqa: S105 - made up


class ProviderConformance:
    """Tries every file of `files`."""

    files: ClassVar[Sequence[Path]] = ()
    #: Of the values and answers that are damaged one after the other, each so-manieth is tried; 1 tries all.
    one_in: int = 1

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "file" in metafunc.fixturenames:
            metafunc.parametrize("file", self.files, ids=[path.stem for path in self.files])

    @pytest.fixture(scope="class")
    @classmethod
    def box(cls) -> Iterator[TrialSandbox]:
        with TrialSandbox(files=cls.files, seed={"people": []}, journal=False) as started:
            yield started

    @pytest.fixture
    def trial(self, file: Path, box: TrialSandbox) -> Iterator[Trial]:
        trying = Trial(file, box)
        yield trying
        trying.close()

    def _some(self, values: Sequence[Any], trial: Trial) -> Sequence[Any]:
        """One in `one_in` of the values: other ones for each file."""
        return values[sum(trial.file.stem.encode()) % self.one_in :: self.one_in]

    # The file ---------------------------------------------------------------------------------------------------

    def test_it_loads_and_says_who_it_is(self, file: Path) -> None:
        provider = load(file)
        assert provider.name == file.stem
        assert provider.docs.startswith("https://") and provider.base_url.startswith("https://")
        assert provider.summary.endswith(".") and set(provider.extract) <= set(LEAD_FIELDS)

    def test_its_recording_has_a_case_for_all_that_can_happen(self, file: Path) -> None:
        stub = stub_of(file)
        needed = [*CASES, *(["other_person"] if stub.data.get("identity") and stub.entity != "verification" else [])]
        if stub.waits:
            needed += ["pending"] if stub.waits.get("again") else ["submitted", "pending"]
        missing = [name for name in needed if name not in stub.cases]
        missing += [f"batch.{name}" for name in ("envelope", "hit", "miss") if stub.data.get("batch") and
                    name not in stub.batch]  # fmt: skip
        missing += [f"before.{n}" for n in range(len(stub.data.get("before", ()))) if
                    n >= len(stub.recording.get("before", ()))]  # fmt: skip
        assert not missing, f"the recording of {file.stem} lacks {', '.join(missing)}"

    def test_files_that_share_an_account_agree_on_its_windows(self) -> None:
        found: dict[str, dict[str, Limits]] = {}
        for file in self.files:
            provider = load(file)
            found.setdefault(provider.shared, {})[file.stem] = provider.limits
        for account, limits in found.items():
            windows = {(each.calls, each.window, each.more) for each in limits.values()}
            assert len(windows) == 1, f"{', '.join(limits)} share the account {account} and declare other windows"

    # Questions --------------------------------------------------------------------------------------------------

    def test_every_set_of_inputs_is_asked_and_answered(self, trial: Trial) -> None:
        for inputs in trial.sets:
            lead = trial.lead_of(inputs)
            ask = trial.enricher().ask(lead, trial.wanted)
            assert ask is not None, f"{inputs}: not asked with {sorted(lead)}"
            assert set(inputs) <= set(ask.sent), f"{inputs}: sent are {sorted(ask.sent)}"
            answer = trial.run(lead)
            assert outcome_of(answer) == "hit", f"{inputs}: {answer}"
            assert not trial.contradiction(lead, answer), f"{inputs}: {trial.contradiction(lead, answer)}"

    def test_nothing_is_asked_of_a_lead_that_has_too_little(self, trial: Trial) -> None:
        assert trial.enricher().ask({"notes": "met at the booth", "event": "Expo"}, trial.wanted) is None
        assert trial.box.requests == []

    def test_only_declared_inputs_leave(self, trial: Trial) -> None:
        used = trial.used_fields
        private = {name: f"private-{name}@private.example" for name in LEAD_FIELDS if name not in used}
        for inputs in trial.sets:
            trial.run({**private, **trial.lead_of(inputs)})
        assert trial.box.requests
        for request in trial.box.requests:
            sent = f"{request.path} {request.query_string} {dict(request.headers)} {request.body!r}"
            assert "private-" not in sent, sent

    def test_credentials_travel_only_where_the_file_says(self, trial: Trial) -> None:
        trial.run(trial.lead_of(trial.sets[0]))
        in_query = bool(trial.stub.data["auth"].get("query"))
        for request in trial.box.requests:
            for secret in trial.stub.credentials.values():
                assert secret not in request.path
                assert in_query or secret not in request.query_string

    def test_a_refused_credential_is_named_and_never_shown(
        self, trial: Trial, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        wrong = dict.fromkeys(trial.stub.credentials, _SECRET)
        lead = trial.lead_of(trial.sets[0])
        ask = trial.enricher(wrong).ask(lead, trial.wanted)
        answer = trial.run(lead, config=wrong)
        assert isinstance(answer, CredentialsError), answer
        trial.box.add_fault(match=".*", status=500, body={"error": f"key {_SECRET} broke"}, times=-1)
        broken = trial.run(lead, config=wrong)
        for text in (repr(ask), str(answer), repr(answer), str(broken), repr(broken), caplog.text):
            assert _SECRET not in text, text

    def test_no_value_of_a_lead_changes_host_path_or_headers(self, trial: Trial) -> None:
        allowed = trial.shapes
        in_path = any("{" in route.request["path"] for route in trial.stub.routes if route.kind == "main")
        for number, inputs in enumerate(trial.sets):
            lead = trial.lead_of(inputs)
            for place, name in enumerate(lead):
                # A value in a path can do most; elsewhere, each field gets its share of the values.
                values = HOSTILE if in_path or number == 0 else HOSTILE[(number + place) % 4 :: 4]
                for hostile in self._some(values, trial):
                    trial.box.requests.clear()
                    answer = trial.run({**lead, name: hostile if name != "email" else f"{hostile}@example.com"})
                    assert isinstance(answer, EngineError) or answer.outcome in OUTCOMES
                    for request in trial.box.requests:
                        shape = (request.method, request.path.count("/"))
                        assert shape in allowed, f"{name}={hostile[:40]!r}: {request.method} {request.path[:200]}"
                        assert "x-evil" not in request.headers

    # Answers ----------------------------------------------------------------------------------------------------

    def test_a_hit_gives_what_is_recorded(self, trial: Trial) -> None:
        answer = trial.run(trial.lead_of(trial.sets[0]))
        assert isinstance(answer, EnrichAnswer) and answer.outcome == "hit", answer
        stated = orjson.dumps(trial.stub.cases["hit"]["reply"].get("body")).decode()
        for name, finding in answer.findings.items():
            assert finding.path, f"{name} has no path"
            assert 0 <= finding.confidence <= 1, f"{name} has the confidence {finding.confidence}"
            assert not isinstance(finding.value, (dict, list, bool)) and finding.value not in (None, "")
            if f"{{{name}}}" in stated and name in trial.persona:
                assert same_value(name, finding.value, trial.persona[name]), (
                    f"{name}: {finding.value!r} was found, the persona's is {trial.persona[name]!r}"
                )
        main = {name for name in trial.given if f"{{{name}}}" in stated and name in trial.persona}
        assert main <= set(answer.findings), f"not extracted: {sorted(main - set(answer.findings))}"

    def test_every_case_ends_as_recorded_and_costs_what_is_charged(self, trial: Trial) -> None:
        for name, case in trial.stub.cases.items():
            if "outcome" not in case or name in ("submitted", "pending", "account", "callback"):
                continue
            tried = []
            for attempt in trial.attempts(name):
                tried.append(attempt)
                if outcome_of(attempt[0]) == case["outcome"]:
                    break
            else:
                pytest.fail(f"{name}: ended as {[outcome_of(each) for each, _ in tried]}, {tried}")
            answer, charged = tried[-1]
            if isinstance(answer, EnrichAnswer) and answer.outcome not in ("error", "pending"):
                assert answer.cost == pytest.approx(charged), f"{name}: cost {answer.cost}, charged {charged}"

    def test_an_unknown_person_is_a_miss_that_costs_what_is_charged(self, trial: Trial) -> None:
        answer = trial.run(trial.stranger)
        expected = trial.stub.cases["miss"]["outcome"]
        assert outcome_of(answer) == expected, answer
        assert isinstance(answer, EnrichAnswer) and answer.cost == pytest.approx(trial.charged), answer

    def test_paid_data_is_bought_only_where_it_is_wanted(self, trial: Trial) -> None:
        for fields in trial.conditional:
            wanted = [name for name in trial.given if name not in fields]
            if not wanted:
                continue
            trial.reset()
            answer = trial.run(trial.lead_of(trial.sets[0]), wanted=wanted)
            if isinstance(answer, EnrichAnswer):
                assert answer.cost == pytest.approx(trial.charged), (
                    f"without {sorted(fields)}: {answer.cost}, charged {trial.charged}"
                )

    def test_the_most_is_the_most(self, trial: Trial) -> None:
        for inputs in trial.sets:
            trial.reset()
            ask = trial.enricher().ask(trial.lead_of(inputs), trial.wanted)
            trial.run(trial.lead_of(inputs))
            assert ask is not None
            assert ask.most >= trial.charged - 1e-9, f"{inputs}: at most {ask.most} is said, {trial.charged} is charged"

    def test_spent_credits_and_throttling_are_told_apart(self, trial: Trial) -> None:
        lead = trial.lead_of(trial.sets[0])
        if "quota" in trial.stub.cases:
            trial.reset(credits={trial.stub.name: 0})
            assert isinstance(answer := trial.run(lead), VendorUnavailable), answer
        trial.reset(faults=[{"match": ".*", "error": "throttled", "times": -1}])
        answer = trial.run(lead)
        assert isinstance(answer, RetryLater) and not isinstance(answer, NoAnswer), answer
        assert trial.charged == 0

    def test_an_answer_that_is_none_breaks_nothing(self, trial: Trial) -> None:
        lead, enricher = trial.lead_of(trial.sets[0]), trial.enricher()
        answers = [*((200, each) for each in GARBAGE), (404, b"{"), (500, "<html>"), (302, None)]
        for status, garbage in self._some(answers, trial):
            trial.reset(faults=[{"match": trial.match, "status": status, "body": garbage, "times": -1}])
            answer = trial.run(lead, enricher=enricher)
            fine = isinstance(answer, EngineError) or answer.outcome in OUTCOMES - {"hit"}
            assert fine, f"{status} {garbage!r}: {answer}"

    def test_a_value_of_the_wrong_kind_breaks_nothing(self, trial: Trial) -> None:
        body = fill(trial.stub.cases["hit"]["reply"].get("body"), {**trial.persona, "ticket": "sandbox-00000001"})
        lead = trial.lead_of(trial.sets[0])
        enricher = trial.enricher()
        for where, changed in self._some(list(damaged(body)), trial):
            trial.reset()
            trial.box.add_fault(match=trial.last_match, body=changed, times=-1)
            answer = trial.run(lead, enricher=enricher)
            assert isinstance(answer, EngineError) or answer.outcome in OUTCOMES, f"{where}: {answer}"
            if isinstance(answer, EnrichAnswer):
                values = [finding.value for finding in answer.findings.values()]
                assert not [value for value in values if isinstance(value, (dict, list, bool))], f"{where}: {values}"
                assert isinstance(trial.contradiction(lead, answer), str)

    @pytest.mark.parametrize("fault", [{"truncate": True}, {"drop": "after"}, {"error": "html"}], ids=str)
    def test_an_answer_that_is_not_whole_may_have_been_charged(self, trial: Trial, fault: Mapping[str, Any]) -> None:
        trial.reset(faults=[{"match": trial.match, "times": -1, **fault}])
        answer = trial.run(trial.lead_of(trial.sets[0]))
        assert isinstance(answer, NoAnswer), answer

    # Searches and batches ---------------------------------------------------------------------------------------

    def test_a_search_is_pending_until_it_is_ready(self, trial: Trial) -> None:
        if not trial.stub.waits:
            pytest.skip("answers at once")
        trial.reset(switches={"pending_polls": 3, "again_polls": 3})
        lead = trial.lead_of(trial.sets[0])
        enricher = trial.enricher()
        answer = enricher.enrich(lead, trial.wanted)
        waits: list[float] = []
        while answer.outcome == "pending" and len(waits) < 10:
            assert answer.ticket and answer.after > 0
            waits.append(answer.after)
            (answer,) = enricher.collect([trial.inquiry(lead, answer.ticket, sum(waits))])
        assert answer.outcome == "hit", answer
        assert len(waits) in (3, 4)
        assert enricher.waits_for > 0
        assert answer.cost == pytest.approx(trial.charged)

    def test_a_ticket_that_is_not_known_is_no_hit(self, trial: Trial) -> None:
        if not trial.stub.waits or trial.stub.waits.get("again") or not trial.stub.waits.get("poll"):
            pytest.skip("has no tickets of its own")
        answer = trial.collected("no-such-ticket")
        assert isinstance(answer, EngineError) or answer.outcome not in ("hit", "miss"), answer

    def test_a_batch_answers_each_lead_by_itself(self, trial: Trial) -> None:
        if not trial.stub.data.get("batch"):
            pytest.skip("has no batch")
        leads = trial.crowd(5)
        unknown = {1, 3}
        trial.know([lead for index, lead in enumerate(leads) if index not in unknown])
        answers = trial.run_batch(leads)
        expected = ["miss" if index in unknown else "hit" for index in range(5)]
        assert [outcome_of(answer) for answer in answers] == expected, answers
        for lead, answer in zip(leads, answers, strict=True):
            assert isinstance(answer, EnrichAnswer)
            assert not trial.contradiction(lead, answer)
            for name in ("email", "company_domain"):
                if name in answer.findings:
                    assert same_value(name, answer.findings[name].value, complete(lead)[name])
        assert sum(answer.cost for answer in answers if isinstance(answer, EnrichAnswer)) == pytest.approx(
            trial.charged
        )
        calls = trial.box.bill()["providers"][trial.stub.name]["calls"]
        assert calls == 1, f"{calls} calls were made"

    def test_a_refused_record_of_a_batch_takes_no_other_with_it(self, trial: Trial) -> None:
        refused = [name for name in trial.stub.batch if name not in ("envelope", "hit", "miss")]
        if not refused:
            pytest.skip("no refused record is recorded")
        leads = trial.crowd(3)
        trial.know(leads)
        for name in refused:
            trial.reset_faults([{"match": trial.batch_match, "record_error": name, "record": 1}])
            ended = [outcome_of(answer) for answer in trial.run_batch(leads)]
            assert ended[0] == ended[2] == "hit" and ended[1] != "hit", f"{name}: {ended}"
