"""What `engine provider try` does: one lead, one provider, the request in the open, and what becomes of the answer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema
from rich.console import Console
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from engine.adapters import Context
from engine.asking import EnrichAnswer
from engine.errors import SpecError
from engine.expressions import suggestion
from engine.http import Reply
from engine.records import LEAD_FIELDS
from engine_enrichers.commands import credits_of, lines
from engine_enrichers.declared.answers import read
from engine_enrichers.declared.catalogue import FromFile, class_of
from engine_enrichers.declared.configuration import config_schema, variable_of
from engine_enrichers.declared.files import ProviderFile
from engine_enrichers.declared.inputs import INPUTS, value_of
from engine_enrichers.declared.outcomes import judge
from engine_enrichers.declared.provider import Async, Provider
from engine_enrichers.declared.provider_files import yaml_place, yaml_problem
from engine_enrichers.declared.questions import Question
from engine_enrichers.declared.requests import Call, build
from engine_enrichers.declared.templates import fill
from engine_enrichers.declared.tickets import submitted, ticket_in
from engine_enrichers.sandbox.templates import ABSENT
from engine_enrichers.sandbox.templates import fill as recorded

_HIDDEN = "***"


class Trial:
    """One trial. Raises SpecError where the file, the lead or a setting is wrong."""

    def __init__(
        self, file: ProviderFile, lead_file: Path | None, settings: Sequence[str], case: str | None, want: str | None,
        *, send: bool,
    ) -> None:  # fmt: skip
        self._provider = file.provider
        self._case = case
        self._send = send
        self._recording = _recording(file) if case is not None else {}
        self._config = _config(self._provider, settings, needed=send)
        if lead_file is not None:
            self._lead = _lead(lead_file)
        elif case is not None:
            self._lead = dict(self._recording.get("persona", {}))
        else:
            raise SpecError("a lead is needed", where="--lead", fix="Name a YAML or JSON file of lead fields.")
        self._wanted = _wanted(self._provider, want)
        self._enricher: FromFile = class_of(file)(self._config, Context())

    def close(self) -> None:
        self._enricher.close()

    def run(self, out: Console) -> None:
        """Show the request, and where one is there the answer. Raises what the provider's answer means."""
        question = self._enricher.session.prepare(self._lead, self._wanted)
        if question is None:
            raise SpecError("the lead has too little to ask with", why=_missing(self._provider, self._lead))
        ask = self._enricher.ask(self._lead, self._wanted)
        out.print(f"asked with: {', '.join(f'{name} = {value}' for name, value in question.sent.items())}")
        out.print(f"costs at most: {credits_of(ask.most if ask else 0)}")
        taken = {name: f"<{name}>" for call in self._provider.before for name in call.take}
        for each in self._provider.before:
            self._show(out, "before:", build(each.request, {**question.values, **taken}, question.wanted))
        self._show(out, "request:", build(question.request, {**question.values, **taken}, question.wanted))
        if self._case is not None:
            self._told(out, self._recorded(question, self._case))
        elif self._send:
            self._told(out, self._enricher.enrich(self._lead, self._wanted))
        else:
            out.print("nothing was sent; --send makes the call, --case NAME reads a recorded answer")

    def _show(self, out: Console, title: str, call: Call | None) -> None:
        if call is None:
            return
        secret = dict.fromkeys(self._provider.credentials, _HIDDEN)
        auth = self._provider.auth
        headers = {**call.headers, **{name: fill(text, secret) or "" for name, text in auth.headers.items()}}
        if auth.basic is not None:
            headers["Authorization"] = f"Basic {_HIDDEN}"
        if auth.oauth is not None:
            headers["Authorization"] = f"Bearer {_HIDDEN}"
        query = {**call.params, **{name: fill(text, secret) or "" for name, text in auth.query.items()}}
        address = self._enricher.session.client.base_url.rstrip("/") + call.path
        out.print(title)
        out.print(f"  {call.method} {address}{'?' if query else ''}{urlencode(query, safe='*')}")
        for name, value in headers.items():
            out.print(f"  {name}: {value}")
        for line in lines(call.json if call.form is None else dict(call.form)):
            if call.json is not None or call.form is not None:
                out.print(line)

    def _recorded(self, question: Question, name: str) -> EnrichAnswer:
        """The answer that the recording has under a name."""
        cases = self._recording.get("cases", {})
        if name not in cases:
            fix = suggestion(name, cases) or f"Recorded: {', '.join(cases) or 'nothing'}."
            raise SpecError(f"the recording has no case {name!r}", where="--case", fix=fix)
        reply = cases[name]["reply"]
        whole = self._reply(reply, question)
        provider, later = self._provider, self._provider.later
        question = replace(question, taken=self._taken(question))
        polled = later is not None and self._is_polled(later, str(cases[name].get("outcome", name)), whole)
        rules = later.rules if later is not None and polled else provider.rules
        answered = self._enricher.session.client.sort(
            whole, rules, private=question.sent.values(), later=later is not None
        )
        if answered.outcome == "pending" and polled:
            return EnrichAnswer("pending", ticket="ticket-1")
        if answered.outcome == "pending" and later is not None:
            return submitted(later, answered)
        result = later.result if later is not None and polled and later.result is not None else provider.result
        return read(provider, question, answered.outcome, answered.body,
                    result=result, reply=answered.reply, detail=answered.detail)  # fmt: skip

    def _reply(self, reply: Mapping[str, Any], question: Question) -> Reply:
        """A recorded reply with what the recording's person has, but for what the request does not ask for."""
        persona = self._recording.get("persona", {})
        values = {**persona, "ticket": "ticket-1"}
        values |= {each: value for each in INPUTS if (value := value_of(each, persona))}
        unasked = set(self._provider.extract) - question.revealed
        body = recorded(reply.get("body"), {name: value for name, value in values.items() if name not in unasked})
        content = "" if body is ABSENT or body is None else body if isinstance(body, str) else json.dumps(body)
        headers = {key.lower(): str(value) for key, value in reply.get("headers", {}).items()}
        return Reply(reply["status"], headers, content.encode())

    def _taken(self, question: Question) -> dict[str, Any]:
        """What the recorded answers to the calls before give."""
        found: dict[str, Any] = {}
        for call, step in zip(self._provider.before, self._recording.get("before", ()), strict=False):
            body = self._reply(step["reply"], question).json()
            found |= {name: query.of(body) for name, query in call.take.items()}
        return found

    def _is_polled(self, later: Async, recorded_outcome: str, reply: Reply) -> bool:
        """Whether a recorded answer is one to a poll, and not to the question itself, which it would mean else to."""
        if later.poll is None:
            return False
        means = "hit" if recorded_outcome == "rejected" else recorded_outcome
        at_once, polled = (
            judge(rules, reply, reply.json(), later=True).outcome for rules in (self._provider.rules, later.rules)
        )
        submitted_now = means == "pending" and bool(ticket_in(later.ticket, reply.json()))
        return not submitted_now and (polled == means or at_once != means)

    def _told(self, out: Console, answer: EnrichAnswer) -> None:
        problem = self._enricher.contradiction(self._lead, answer)
        out.print(f"outcome: {'rejected' if problem else answer.outcome}")
        out.print(f"cost: {credits_of(answer.cost)}")
        for text in (problem, answer.detail, f"ticket {answer.ticket}" if answer.ticket else ""):
            if text:
                out.print(f"detail: {text}")
        for field, found in answer.findings.items():
            status = f", {found.status}" if found.status else ""
            taken = "rejected" if problem else "wanted" if field in self._wanted else "not asked for"
            out.print(
                f"  {field} = {found.value}   ({taken}, confidence {found.confidence:.2f}{status}, from {found.path})"
            )


def _config(provider: Provider, settings: Sequence[str], *, needed: bool) -> dict[str, Any]:
    schema = config_schema(provider)
    config: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in schema["properties"]:
            fix = suggestion(name, schema["properties"]) or f"Known settings: {', '.join(schema['properties'])}."
            raise SpecError(f"{name!r} is no setting of {provider.name}", where="--set", fix=fix)
        typed = schema["properties"][name].get("type") in ("string", None)
        config[name] = text if typed else YAML(typ="safe", pure=True).load(text)
    for name in provider.credentials:
        variable = variable_of(provider, name)
        config.setdefault(name, os.environ.get(variable) or ("" if needed else _HIDDEN))
        if not config[name]:
            raise SpecError(f"{name} is not set", fix=f"export {variable}=…, or --set {name}=…")
    for problem in jsonschema.Draft202012Validator(schema).iter_errors(config):
        raise SpecError(
            f"{'.'.join(map(str, problem.absolute_path)) or provider.name}: {problem.message}", where="--set"
        )
    return config


def _wanted(provider: Provider, want: str | None) -> list[str]:
    wanted = [name.strip() for name in want.split(",")] if want else list(provider.fields)
    for name in wanted:
        if name not in provider.extract:
            fix = suggestion(name, provider.fields) or f"It provides {', '.join(provider.fields)}."
            raise SpecError(f"{provider.name} does not provide {name!r}", where="--want", fix=fix)
    return wanted


def _missing(provider: Provider, lead: Mapping[str, Any]) -> str:
    """What each set of inputs lacks."""
    lacking = [[name for name in each.inputs if not value_of(name, lead)] for each in provider.inputs]
    return "; ".join(f"{' + '.join(each.inputs)}: there is no usable {', '.join(lack) or 'value for the path'}"
                     for each, lack in zip(provider.inputs, lacking, strict=True))  # fmt: skip


def _lead(path: Path) -> dict[str, Any]:
    found = _yaml(path, "the lead")
    for name in found:
        if name not in LEAD_FIELDS:
            raise SpecError(f"unknown lead field {name!r}", where=str(path), fix=suggestion(name, LEAD_FIELDS))
    return {name: value if isinstance(value, str) else str(value) for name, value in found.items() if value is not None}


def _recording(file: ProviderFile) -> dict[str, Any]:
    """The recording of a file, in the folder `recordings` beside it or beside its folder."""
    places = [folder / "recordings" / file.path.name for folder in (file.path.parent, file.path.parent.parent)]
    for path in places:
        if path.exists():
            return _yaml(path, "the recording")
    raise SpecError(f"{file.path.name} has no recording", where=str(places[-1]))


def _yaml(path: Path, what: str) -> dict[str, Any]:
    try:
        found = YAML(typ="safe", pure=True).load(path.read_text("utf-8-sig"))
    except YAMLError as error:
        raise SpecError(f"{what} is not valid YAML", where=yaml_place(path, error), why=yaml_problem(error)) from error
    except (OSError, ValueError) as error:
        raise SpecError(f"{what} cannot be read", where=str(path), why=str(error).splitlines()[0]) from error
    if not isinstance(found, dict):
        raise SpecError(f"{what} is a mapping of names to values", where=str(path))
    return found
