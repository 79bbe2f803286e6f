"""Hand metrics to OpenTelemetry: the only module that imports it, and it is imported only where it is asked for."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
)
from opentelemetry.sdk.resources import Resource

from engine import __version__
from engine.logs import without_people
from engine.redaction import remember_secret

if TYPE_CHECKING:
    from engine.metrics import Instrument, Measurement

#: Seconds that a run waits for its metrics to be taken, and those that one exporter may try for.
LONGEST, TRYING = 3.0, 2.5
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HEADERS = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_TIMEOUTS = ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
#: Ends of the classes of durations, in seconds: a run takes seconds or hours.
_DURATIONS = (1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0)


class _AtTheEnd(MetricReader):
    """Reads once, when it is told to, and keeps whether the exporter has taken it."""

    def __init__(self, exporter: MetricExporter) -> None:
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self._exporter = exporter
        self.taken = False

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 0, **options: Any) -> None:
        self.taken = self._exporter.export(metrics_data) is MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis: float = 0, **options: Any) -> None:
        self._exporter.shutdown()


class _Said(logging.Handler):
    """Keeps what OpenTelemetry logs, which is told in one note and not line by line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def _heard(said: _Said) -> Iterator[None]:
    """Let nobody else hear what OpenTelemetry logs."""
    logger = logging.getLogger("opentelemetry")
    propagated = logger.propagate
    logger.addHandler(said)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(said)
        logger.propagate = propagated


def export(
    instruments: Sequence[Instrument],
    measurements: Sequence[Measurement],
    exporters: Sequence[str],
    *,
    longest: float = LONGEST,
) -> list[str]:
    """Export by each of `exporters` within `longest` seconds in all. Raises nothing; returns what went wrong."""
    for name in _HEADERS:
        for pair in os.environ.get(name, "").split(","):
            remember_secret(unquote(pair.partition("=")[2].strip()))
    troubles: list[str] = []
    # What is written here at once is not kept waiting by what is sent.
    ordered = sorted(dict.fromkeys(exporters), key=lambda name: name == "otlp")
    said = _Said()

    def work() -> None:
        try:
            with _heard(said):
                _export(instruments, measurements, ordered, troubles, said)
        except Exception as error:
            troubles.append(f"{type(error).__name__}: {error}")

    # A thread that may be left behind: a name that is not resolved is waited for without an end.
    thread = threading.Thread(target=work, name="metrics", daemon=True)
    thread.start()
    thread.join(longest)
    if thread.is_alive():
        troubles.append(f"no answer within {longest:g} s")
    return [" ".join(without_people(text).split())[:300] for text in troubles]


def _export(
    instruments: Sequence[Instrument],
    measurements: Sequence[Measurement],
    exporters: Sequence[str],
    troubles: list[str],
    said: _Said,
) -> None:
    readers = {}
    for name in exporters:
        made = _exporter(name)
        if isinstance(made, str):
            troubles.append(made)
        else:
            readers[name] = _AtTheEnd(made)
    # Not the provider of the whole process, which belongs to whoever uses the engine as a library.
    provider = MeterProvider(list(readers.values()), resource=_resource(), shutdown_on_exit=False)
    try:
        _record(provider, instruments, measurements)
        for name, reader in readers.items():
            said.texts.clear()
            reader.collect()
            if not reader.taken:
                # The first is the reason, the last that it was given up.
                troubles.append(f"{name}: {said.texts[0] if said.texts else 'refused'}")
    finally:
        provider.shutdown()


def _exporter(name: str) -> MetricExporter | str:
    """The exporter of a name, set up by the standard variables; or why there is none."""
    if name == "console":
        return ConsoleMetricExporter(out=sys.stderr)  # standard output is for what the command prints
    if name != "otlp":
        return f"there is no exporter {name!r}; OTEL_METRICS_EXPORTER can be otlp, console or none"
    protocol = _first(_PROTOCOLS) or "http/protobuf"
    if protocol != "http/protobuf":
        return f"OTLP is spoken as http/protobuf, not as {protocol!r}: set {_PROTOCOLS[0]}=http/protobuf"
    asked = _first(_TIMEOUTS)
    return OTLPMetricExporter(timeout=min(TRYING, float(asked)) if asked else TRYING)


def _first(names: Sequence[str]) -> str:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")


def _resource() -> Resource:
    """Who sends, as the environment names it. Not which process: each run would be a series of its own."""
    found: Mapping[str, Any] = Resource.create().attributes
    own = {"service.name": "lead-engine", "service.version": __version__}
    stated = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    kept = {
        name: value
        for name, value in found.items()
        if not str(value).startswith("unknown_service") and (name != "service.instance.id" or name in stated)
    }
    return Resource({**own, **kept})


def _record(provider: MeterProvider, instruments: Sequence[Instrument], measurements: Sequence[Measurement]) -> None:
    meter = provider.get_meter("lead_engine", __version__)
    for instrument in instruments:
        about = {"name": instrument.name, "unit": instrument.unit, "description": instrument.meaning}
        points = [each for each in measurements if each.name == instrument.name]
        match instrument.kind:
            case "counter":
                counter = meter.create_counter(**about)
                for each in points:
                    counter.add(each.value, dict(each.attributes))
            case "gauge":
                gauge = meter.create_gauge(**about)
                for each in points:
                    gauge.set(each.value, dict(each.attributes))
            case "histogram":
                histogram = meter.create_histogram(**about, explicit_bucket_boundaries_advisory=_DURATIONS)
                for each in points:
                    histogram.record(each.value, dict(each.attributes))
