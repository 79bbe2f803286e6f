"""A plan as one page of HTML, with nothing in it that comes from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment

from engine.filters import text
from engine.planning.records import WORDS, Plan

TITLES = {"create": "Created", "update": "Updated", "skip": "Nothing to change", "fail": "Would fail"}


def html(plan: Plan) -> str:
    """The page. Every value of a lead is escaped."""
    source = files("engine.planning").joinpath("templates/plan.html").read_text("utf-8")
    template = Environment(autoescape=True, trim_blocks=True).from_string(source)
    groups = [(word, [lead for lead in plan.leads if lead.word == word]) for word in ("fail", *WORDS[:3])]
    return template.render(
        plan=plan, counts=plan.counts, calls=sum(plan.calls.values()), titles=TITLES, shown=_shown,
        groups=[(word, leads) for word, leads in groups if leads],
    )  # fmt: skip


def _shown(value: Any) -> str:
    return "(empty)" if value in (None, "", []) else text(value)
