"""What each shipped provider is asked about its recording's persona, and what is read out of each recorded answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from engine_enrichers.declared.files import shipped_files
from engine_enrichers.testing.trial import Trial, TrialSandbox
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from engine.asking import EnrichAnswer
from engine.testing.server import Request

FILES = {path.stem: path for path in shipped_files()}
#: Headers of every call, whoever is asked.
USUAL = {"host", "user-agent", "accept-encoding", "connection", "content-length"}


@pytest.fixture(scope="module")
def box() -> Iterator[TrialSandbox]:
    with TrialSandbox(files=FILES.values(), seed={"people": []}, journal=False) as started:
        yield started


@pytest.fixture
def trial(provider: str, box: TrialSandbox) -> Iterator[Trial]:
    trying = Trial(Path(FILES[provider]), box)
    yield trying
    trying.close()


@pytest.fixture
def as_json(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)


def shown(request: Request, trial: Trial) -> dict[str, Any]:
    """A request for people: with whatever is secret as ***."""
    headers = {name: text for name, text in sorted(request.headers.items()) if name not in USUAL}
    if headers.get("accept") == "*/*":
        del headers["accept"]
    body: Any = None
    if "urlencoded" in headers.get("content-type", ""):
        body = request.form
    elif request.body:
        body = request.json()
    made = {
        "call": f"{request.method} {request.path.removeprefix(f'/{trial.stub.name}')}",
        "headers": headers,
        "query": dict(parse_qsl(request.query_string)),
        "body": body,
    }
    text = orjson.dumps({name: part for name, part in made.items() if part}).decode()
    for secret in trial.stub.credentials.values():
        text = text.replace(secret, "***")
    found: dict[str, Any] = orjson.loads(re.sub(r"(Basic|Bearer) [A-Za-z0-9+/=-]{8,}", r"\1 ***", text))
    return found


@pytest.mark.parametrize("provider", FILES)
def test_requests(provider: str, trial: Trial, as_json: SnapshotAssertion) -> None:
    made = {}
    for inputs in trial.sets:
        trial.reset(switches={"pending_polls": 0})
        trial.run(trial.lead_of(inputs))
        made[", ".join(inputs)] = [shown(request, trial) for request in trial.box.requests]
    assert made == as_json


@pytest.mark.parametrize("provider", FILES)
def test_answers(provider: str, trial: Trial, as_json: SnapshotAssertion) -> None:
    for case, recorded in trial.stub.cases.items():
        if recorded.get("outcome") != "hit":
            continue
        answer = next(each for each, _ in trial.attempts(case) if isinstance(each, EnrichAnswer) and each.findings)
        found = {
            name: f"{finding.value!r} ({finding.confidence:g} {finding.status}".rstrip() + f") from {finding.path}"
            for name, finding in sorted(answer.findings.items())
        }
        assert {"cost": answer.cost, "about": answer.about, "found": found} == as_json(name=case)
