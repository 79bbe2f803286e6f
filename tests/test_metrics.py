"""The metrics of a run: what a collector is sent, and what a run does without one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from engine import metrics, open_telemetry
from engine.codes import CODES
from engine.errors import EngineError
from engine.hookspecs import hookimpl
from engine.testing.server import Request, Response, Sandbox
from tests.unit_helpers import run_spec, shelf_plugins, write_csv, write_spec

ROWS = [("Ada", "Quill", "Fernhill", "ada@fernhill.example"), ("Bo", "Reed", "Gantry", "refused@gantry.example")]
WHERE = {"lead_engine.integration": "expo", "lead_engine.vendor": "shelf"}
Points = dict[str, list[tuple[Mapping[str, Any], float]]]


class Collector(Sandbox):
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Request] = []
        self.status = 200

    def handle(self, request: Request) -> Response:
        self.taken.append(request)
        return Response(self.status, b"")

    def load(self, seed: object) -> None:
        return None

    @property
    def sent(self) -> ExportMetricsServiceRequest:
        (request,) = self.taken
        assert (request.method, request.path) == ("POST", "/v1/metrics")
        return ExportMetricsServiceRequest.FromString(request.body)

    def points(self) -> Points:
        """What came in one request: the points of each metric, with their attributes."""
        found: Points = {}
        for metric in self.sent.resource_metrics[0].scope_metrics[0].metrics:
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                value = point.sum if metric.HasField("histogram") else point.as_int or point.as_double
                found.setdefault(metric.name, []).append((_plain(point.attributes), value))
        return found


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*metrics.ENDPOINTS, metrics.EXPORTER, metrics.DISABLED):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_csv(tmp_path / "leads.csv", ROWS)
    return write_spec(tmp_path)


def noted(spec: Path) -> list[str]:
    """The notes on metrics of a run on a new state, which is as good as any other."""
    summary = run_spec(spec, spec.parent / "state.db", shelf_plugins())
    assert (summary.exit_code, summary.totals["cleared"], summary.totals["failed"]) == (1, 1, 1)
    return [note for note in summary.notes if "metrics" in note]


def test_a_collector_is_sent_what_the_run_did_and_nobody(
    spec: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=collector-key-4711")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "leads-emea")
    assert noted(spec) == []
    points = collector.points()
    leads = {attributes["lead_engine.outcome"]: value for attributes, value in points["lead_engine.leads"]}
    assert leads == {"captured": 2, "enriched": 0, "mapped": 2, "sent": 1, "unchanged": 0, "failed": 1}
    assert points["lead_engine.failures"] == [
        ({**WHERE, "lead_engine.code": "UNKNOWN", "lead_engine.owner": CODES["UNKNOWN"].owner}, 1)
    ]
    ((attributes, seconds),) = points["lead_engine.run.duration"]
    assert attributes == {**WHERE, "lead_engine.status": "done", "lead_engine.exit_code": 1} and seconds > 0
    assert points["lead_engine.leads.failed"] == [(WHERE, 1)]
    assert points["lead_engine.leads.pre_sync"] == points["lead_engine.leads.waiting"] == [(WHERE, 0)]
    assert _plain(collector.sent.resource_metrics[0].resource.attributes)["service.name"] == "leads-emea"
    (request,) = collector.taken
    assert request.headers.get("x-key") == "collector-key-4711"
    for person in (b"Ada", b"Quill", b"Fernhill", b"fernhill.example", b"refused", str(spec.parent).encode()):
        assert person not in request.body


def test_attributes_are_those_that_are_documented(
    spec: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.url}/v1/metrics")
    run_spec(spec, spec.parent / "state.db", shelf_plugins())
    told = {each.name: each for each in metrics.INSTRUMENTS}
    for name, points in collector.points().items():
        assert all(set(attributes) == set(told[name].attributes) <= set(metrics.ATTRIBUTES) for attributes, _ in points)
    units = {each.name: each.unit for each in collector.sent.resource_metrics[0].scope_metrics[0].metrics}
    assert units == {name: told[name].unit for name in units}


def test_paid_calls_are_counted_by_provider(bench: Any, person: Any, collector: Collector, monkeypatch: Any) -> None:
    bench.leads([person(1)])
    path = bench.spec(enrichment=[bench.provider_step(want=["job_title"])])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    summary = bench.run(path)
    points = collector.points()
    paid = {attributes["lead_engine.outcome"]: value for attributes, value in points["lead_engine.calls.paid"]}
    assert sum(paid.values()) == summary.paid[0]["calls"] == 1
    ((attributes, cost),) = points["lead_engine.calls.cost"]
    assert (attributes["lead_engine.provider"], cost) == ("people_data_labs", summary.paid[0]["cost"])


def test_codes_that_are_none_are_one_series() -> None:
    failures = [{"code": f"CODE_{number}", "owner": "you", "leads": 1} for number in range(150)]
    failures[0]["code"] = "no answer for ada@fernhill.example"
    counts = dict.fromkeys(("rows", "known_rows", "leads", "enriched", "mapped", "sent", "unchanged", "failed"), 0)
    summary = {"integration": "expo", "vendor": "shelf", "seconds": 1.0, "status": "done", "exit_code": 0, "paid": [],
               "failures": failures, "this_run": {**counts, "members": 0},
               "totals": {"presync": 3, "frozen": 2, "failed": 0}}  # fmt: skip
    found = [each for each in metrics.measured(summary) if each.name == "lead_engine.failures"]
    codes = {each.attributes["lead_engine.code"] for each in found}
    assert len(codes) == 100 and metrics.OTHER in codes and "CODE_99" in codes and "CODE_100" not in codes
    assert [each.value for each in metrics.measured(summary) if each.name == "lead_engine.leads.waiting"] == [1]


# Without a collector --------------------------------------------------------------------------------------------------


def test_a_collector_that_is_away_costs_one_note(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://someone:hidden-word@127.0.0.1:9")
    monkeypatch.setattr(open_telemetry, "TRYING", 0.2)
    (note,) = noted(spec)
    assert note.startswith("the metrics of this run were not taken: otlp: ") and "hidden-word" not in note


def test_a_collector_that_refuses_costs_one_note_and_no_key(
    spec: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 401
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    (note,) = noted(spec)
    assert "401" in note
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


def test_a_collector_that_does_not_answer_keeps_no_run(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    collector.add_fault(delay=0.5)
    one = metrics.Measurement("lead_engine.leads.failed", 1, {})
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    assert open_telemetry.export(metrics.INSTRUMENTS, [one], ["otlp"], longest=0.05) == ["no answer within 0.05 s"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "no exporter 'prometheus'"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf, not as 'grpc'"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "could not convert"),
    ],
)
def test_what_cannot_be_done_is_said(
    spec: Path, variables: Mapping[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (note,) = noted(spec)
    assert said in note


def test_the_console_is_standard_error(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "console")
    assert noted(spec) == []
    said = capsys.readouterr()
    assert '"lead_engine.run.duration"' in said.err and not said.out


def test_without_the_extra_one_note_says_what_to_install(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    monkeypatch.delitem(sys.modules, "engine.open_telemetry")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics", None)
    monkeypatch.delattr("engine.open_telemetry", raising=False)
    (note,) = noted(spec)
    assert "pip install 'lead-engine[otel]'" in note


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "x"},
        {"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        {"OTEL_SDK_DISABLED": "TRUE", "OTEL_METRICS_EXPORTER": "otlp"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    ],
)
def test_nothing_is_measured_that_is_not_asked_for(environment: Mapping[str, str]) -> None:
    assert metrics.exporters(environment) == ()


def test_nothing_of_opentelemetry_is_imported_for_a_run_that_does_not_ask(spec: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.unit_helpers import run_spec, shelf_plugins\n"
        f"run_spec(Path({str(spec)!r}), Path({str(spec.parent / 'own.db')!r}), shelf_plugins())\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    root = Path(__file__).resolve().parents[1]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_a_plan_measures_nothing(bench: Any, person: Any, collector: Collector, monkeypatch: Any) -> None:
    bench.leads([person(1)])
    path = bench.spec()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    assert bench.cli("plan", path).code == 0
    assert collector.taken == []


# Observers ------------------------------------------------------------------------------------------------------------


class Told:
    """An observer that breaks, or says something in its own words, at the end of a run."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.told: list[Mapping[str, Any]] = []

    @hookimpl
    def run_finished(self, summary: Mapping[str, Any]) -> None:
        self.told.append(summary)
        if self.error:
            raise self.error


def test_an_observer_at_the_end_keeps_no_other_from_being_told_and_its_words_are_noted(spec: Path) -> None:
    first, second, last = Told(), Told(KeyError("no such channel")), Told(EngineError("the channel is full"))
    loaded = shelf_plugins(first=first, second=second, last=last)
    summary = run_spec(spec, spec.parent / "state.db", loaded)
    assert [len(each.told) for each in (first, second, last)] == [1, 1, 1]
    assert "the channel is full" in summary.notes
    assert "an observer broke, of the plugin second: KeyError('no such channel')" in summary.notes
    (told,) = first.told
    assert (told["vendor"], [failure["code"] for failure in told["failures"]]) == ("shelf", ["UNKNOWN"])
