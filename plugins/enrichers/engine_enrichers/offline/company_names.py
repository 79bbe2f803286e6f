"""Repairs the case of company names written in capitals, and takes their legal form off where that is wanted.

What is not certain stays as it was captured: a name in mixed case or in small letters may be a brand's own, and a short
word in capitals may be letters that stand for something.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from engine.adapters import Config, Context, Enricher
from engine.asking import EnrichAnswer, Finding
from engine_enrichers.offline.casing import capitalised, is_latin, is_turkish
from engine_enrichers.offline.places import country_of, fold
from engine_enrichers.offline.tables import lines, listed
from engine_enrichers.offline.text import clean

_TABLE = "company_words.txt"
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff08\uff09㈱㈲㈜]")
_EDGES = re.compile(r"^[\s,;:–—-]+|[\s,;:–—-]+$")
_SQUEEZED = re.compile(r"[\s.,()（）\"״'’-]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_VOWELS = frozenset("AEIOUYÄÖÜÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛÅØÆŒÃÕĚŮÝŐŰİIАЕЁИОУЫЭЮЯІЇЄΑΕΗΙΟΥΩΆΈΉΊΌΎΏ")
#: Short forms in brackets, which are squeezed away where words are compared.
_MARKS = ("(株)", "（株）", "㈱", "(有)", "（有）", "㈲", "(주)", "（주）", "㈜")
#: The most words that a legal form has.
_LONGEST = 7
#: What is left of a name has to say something.
_NOTHING = frozenset({"", "the", "a", "an", "la", "le", "der", "die", "das", "el"})


class CompanyNames(Enricher):
    """Offers the company's name in proper case, with or without its legal form. Needs no network and no key."""

    name = "company_names"
    summary = "Repairs company names in capitals; keeps their legal forms or takes them off."
    rewrites = True
    provides = ("company",)
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "legal_suffix": {
                "title": "Legal forms",
                "description": "Keep GmbH, Inc. and the like, or take them off, at the end as well as at the front.",
                "enum": ["keep", "remove"],
                "default": "keep",
                "examples": ["remove"],
            },
        },
    }

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._remove = config.get("legal_suffix", "keep") == "remove"

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return the company where its name changes; never raises."""
        company = lead.get("company")
        if not isinstance(company, str) or not company or "company" not in wanted:
            return EnrichAnswer("miss")
        name = self._normal(clean(company), country_of(lead))
        return EnrichAnswer("hit", {"company": Finding(name)}) if name and name != company else EnrichAnswer("miss")

    def _normal(self, name: str, country: str | None) -> str:
        # Without its legal form a name may turn out to be all capitals, and the other way round.
        while True:
            normal = company_case(without_legal_form(name) if self._remove else name, country)
            if normal == name:
                return name
            name = normal


def without_legal_form(name: str) -> str:
    """The name without the legal forms at its ends; the whole name where nothing else would be left of it."""
    while True:
        front, core, end = _taken_apart(name)
        if not (front or end) or fold(core) in _NOTHING or core.endswith("&"):
            return name
        name = core


def company_case(name: str, country: str | None = None) -> str:
    """The name in proper case if all of it is capitals, its legal form aside; anything else stays as it is.

    `country` (ISO 3166 alpha-2) tells Turkish from other names.
    """
    front, core, end = _taken_apart(name)
    if not core.isupper() or not is_latin(core) or not any(len(word) > 2 for word in _WORD.findall(core)):
        return name
    turkish = is_turkish(core, country)
    words = core.split(" ")
    if len(words) == 1 and len(core) <= 4 and core not in _words("spell"):
        cased = core  # letters that stand for something, or a short name: nobody can tell
    else:
        cased = " ".join(_case(word, index, turkish=turkish) for index, word in enumerate(words))
    start = name.index(core)
    return _spelt(name[:start], front, "before") + cased + _spelt(name[start + len(core) :], end, "after")


def _spelt(part: str, form: str, place: str) -> str:
    """The end of a name with its legal form in the case that it usually has; its dots and commas are the writer's."""
    if not form:
        return part
    usual = _forms(place)[_squeezed(form)][0]
    for spelling in (usual, usual.replace(".", ""), usual.replace(",", ""), _unmarked(usual), usual + "."):
        if spelling.count(".") == form.count(".") and spelling.count(",") == form.count(","):
            return part.replace(form, spelling)
    return part


def _unmarked(form: str) -> str:
    return form.replace(".", "").replace(",", "")


def _case(word: str, index: int, *, turkish: bool) -> str:
    spelt = _words("spell").get(word)
    if spelt is not None:
        return spelt
    if index and word in _words("small"):
        return word.lower()
    if any(map(str.isdigit, word)) or re.search(r"\w\.\w", word):
        return word
    return _WORD.sub(lambda found: _letters(found[0], turkish=turkish), word) if not _joined_letters(word) else word


def _letters(word: str, *, turkish: bool) -> str:
    if word in _words("keep") or (len(word) <= 3 and word not in _words("word") and word not in _words("small")):
        return word
    if not _VOWELS & set(word) and word.isascii():
        return word
    if len(word) > 1 and word[-2] in "'’":
        return capitalised(word[:-1], turkish=turkish) + word[-1].lower()  # MCDONALD'S
    return capitalised(word, turkish=turkish)


def _joined_letters(word: str) -> bool:
    """`AT&T`, `H&M`: letters joined by a sign, all of them short."""
    return any(sign in word for sign in "&+/") and all(len(piece) <= 2 for piece in re.split(r"[&+/]", word))


def _taken_apart(name: str) -> tuple[str, str, str]:
    """The legal form at the front, the name itself, and the legal form at the end; each as it is written."""
    front, rest = _at_front(name)
    rest = _EDGES.sub("", rest)
    end, core = _at_end(rest)
    core = _EDGES.sub("", core)
    if fold(core) in _NOTHING and not any(map(str.isalnum, core)):
        return "", name, ""
    return front, core, end


def _at_end(name: str) -> tuple[str, str]:
    words = name.split(" ")
    for count in range(min(_LONGEST, len(words) - 1), 0, -1):
        form = " ".join(words[-count:])
        if _is_form(form, "after"):
            return form, " ".join(words[:-count])
    if _UNSPACED.search(name):
        for form in _unspaced("after"):
            if name.endswith(form) and len(name) > len(form):
                return form, name[: -len(form)]
    return "", name


def _at_front(name: str) -> tuple[str, str]:
    first, _, rest = name.partition(" ")
    if rest and _is_form(first, "before"):
        return first, rest
    if _UNSPACED.search(name):
        for form in _unspaced("before"):
            if name.startswith(form) and len(name) > len(form):
                return form, name[len(form) :]
    return "", name


def _is_form(text: str, place: str) -> bool:
    known = _forms(place).get(_squeezed(text))
    if known is None:
        return False
    form, wordlike = known
    return not wordlike or "." in text or text in (form, _unmarked(form)) or (form.isupper() and text.isupper())


def _squeezed(form: str) -> str:
    return _SQUEEZED.sub("", form).casefold()


@lru_cache(maxsize=2)
def _forms(place: str) -> dict[str, tuple[str, bool]]:
    """Squeezed form → as it is usually written, and whether it reads like an ordinary word."""
    found: dict[str, tuple[str, bool]] = {}
    for line in lines("legal_forms.txt"):
        head, _, rest = line.partition(":")
        for entry in rest.split("; ") if head == place else ():
            written = entry.strip()
            form = written.removeprefix("!")
            found.setdefault(_squeezed(form), (form, written != form))
    return found


@lru_cache(maxsize=2)
def _unspaced(place: str) -> tuple[str, ...]:
    """Forms that are written without a space beside the name, longest first."""
    forms = (form for form, _ in _forms(place).values() if _UNSPACED.search(form))
    return tuple(sorted({*forms, *_MARKS}, key=len, reverse=True))


@lru_cache(maxsize=4)
def _words(kind: str) -> dict[str, str]:
    return {word.upper(): word for word in listed(_TABLE, kind)}
