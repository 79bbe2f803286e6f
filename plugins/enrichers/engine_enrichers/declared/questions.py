"""What a provider would be asked about a lead: with which inputs, for which fields, at which cost at most."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from engine.asking import Ask
from engine_enrichers.declared.inputs import Chosen, choose
from engine_enrichers.declared.provider import InputSet, Provider, Request
from engine_enrichers.declared.templates import conditions, fill_path, names_in

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a lead. `values` fill the request; `revealed`: the fields that a hit says all about.

    `floor`: the confidence, 0 to 1, below which the provider is told to answer with nothing. `required`: it answers
    with nothing also where it lacks the wanted fields. `taken`: what the calls before gave, once they are made.
    """

    lead: Mapping[str, Any]
    wanted: tuple[str, ...]
    chosen: Chosen
    values: Settings
    sent: Mapping[str, str]
    revealed: frozenset[str]
    floor: float
    required: bool
    taken: Settings = field(default_factory=dict)

    @property
    def request(self) -> Request:
        return self.chosen.set.request


def prepare(
    provider: Provider, lead: Mapping[str, Any], wanted: Sequence[str], settings: Settings, min_confidence: float
) -> Question | None:
    """The question about the `wanted` fields of a lead; None where none of them is given, or the lead has too little.

    `settings`: the options and the callback address.
    """
    asked = tuple(name for name in provider.extract if name in wanted)
    chosen = choose(provider, lead)
    if not asked or chosen is None:
        return None
    names, held_back = _shape(provider, chosen.set)
    values: dict[str, Any] = {**settings, **chosen.values}
    floor = 0.0
    score = min_score(provider, min_confidence)
    if "min_score" in names and score:
        values["min_score"] = score
        floor = score / provider.confidence.scale
    known = provider.required_names
    required = "required" in names and all(field in known for field in asked)
    if required:
        values["required"] = provider.required_join.join(sorted({known[field] for field in asked}))
    taken = {name for call in provider.before for name in call.take}
    if not fill_path(chosen.set.request.path, {**dict.fromkeys(taken, "-"), **values}):
        return None
    return Question(
        lead=lead,
        wanted=asked,
        chosen=chosen,
        values=values,
        sent={name: value for name, value in chosen.values.items() if name in names},
        revealed=frozenset(provider.extract).difference(*(fields for fields in held_back if not fields & set(asked))),
        floor=floor,
        required=required,
    )


def ask_of(provider: Provider, question: Question, settings: Settings) -> Ask:
    """The question as the ledger knows it. `settings`: what changes the answer beside the inputs."""
    parts = {
        "provider": provider.name,
        "version": provider.version,
        # The case of an input does not matter, because it does not to a match.
        "inputs": {name: value.casefold() for name, value in question.sent.items()},
        "settings": settings,
    }
    return Ask(
        key=orjson.dumps(parts, option=orjson.OPT_SORT_KEYS).decode(),
        # A miss for want of some fields says nothing of the others; a hit does, and its answer says so.
        fields=question.revealed & set(question.wanted) if question.required else question.revealed,
        floor=question.floor,
        most=most_of(provider, question.revealed),
        sent=question.sent,
    )


def most_of(provider: Provider, revealed: frozenset[str]) -> float:
    """The most credits that one question can cost."""
    cost = provider.cost
    if cost.most is not None:
        return cost.most
    fields = sum(credits for field, credits in cost.fields.items() if field in revealed)
    usual = max(cost.hit + fields, cost.miss, *(credits for _, credits in cost.rules), 0)
    return usual + sum(call.cost for call in provider.before)


def min_score(provider: Provider, min_confidence: float) -> float | int | None:
    """The least confidence on the file's scale, as a whole number where the scale has more than one; None for none."""
    confidence = provider.confidence
    if (confidence.query is None and not confidence.taken) or confidence.map or min_confidence <= 0:
        return None
    # 0.07 of 100 is 7.000000000000001.
    score = round(min_confidence * confidence.scale, 6)
    return math.ceil(score) if confidence.scale > 1 else score


@lru_cache(maxsize=1024)
def _shape(provider: Provider, chosen: InputSet) -> tuple[frozenset[str], tuple[frozenset[str], ...]]:
    """What leaves in the requests of a set: placeholders, and the fields of what is sent only where they are wanted."""
    templates = tuple(_templates(provider, chosen))
    return names_in(*templates), tuple(conditions(*templates))


def _templates(provider: Provider, chosen: InputSet) -> Iterator[Any]:
    """Everything of the file in which inputs of this set leave."""
    for request in (chosen.request, *(call.request for call in provider.before)):
        yield from (request.path, request.query, request.json, request.form)
    if provider.batch is not None and not chosen.own:
        request = provider.batch.request
        yield from (request.query, request.json, request.form, provider.batch.record)
