"""A plan as one page of HTML, with nothing in it that comes from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment

from engine.filters import text
from engine.planning.records import WORDS, Plan

TITLES = {"create": "Would be created", "update": "Would be updated", "skip": "Nothing to change",
          "fail": "Would fail"}  # fmt: skip


def html(plan: Plan) -> str:
    """The page. Every value of a lead is escaped."""
    source = files("engine.planning").joinpath("templates/plan.html").read_text("utf-8")
    template = Environment(autoescape=True, trim_blocks=True).from_string(source)
    groups = [(word, [lead for lead in plan.leads if lead.word == word]) for word in ("fail", *WORDS[:3])]
    paid = " and ".join(
        f"{amount:,.2f} {currency}" for currency, amount in plan.paid.get("money", {}).items() if amount
    )
    return template.render(
        plan=plan, counts=plan.counts, titles=TITLES, shown=_shown, blank=_blank, paid=paid,
        groups=[(word, leads) for word, leads in groups if leads],
    )  # fmt: skip


def _blank(value: Any) -> bool:
    return value in (None, "", [])


def _shown(value: Any) -> str:
    return "(empty)" if _blank(value) else text(value)
