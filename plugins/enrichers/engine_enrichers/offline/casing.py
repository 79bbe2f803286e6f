"""The case of people's names: pure functions of text, each idempotent, none of which raises.

Only a Latin name that is all capitals or all small letters is touched: a name of mixed case is somebody's choice, and
other scripts are left alone (Greek capitals have lost their accents). A word whose small letters cannot be told stays
as it is.
"""

from __future__ import annotations

import re
import unicodedata

from engine_enrichers.offline.tables import listed
from engine_enrichers.offline.text import clean

_NAME = re.compile(r"[A-Z][a-z]+(?:[ '-][A-Z][a-z]+)*")
_NAME_PART = re.compile(r"[^\s'’-]+|[\s'’-]+")
_ROMAN = frozenset({"ii", "iii", "iv", "vi", "vii", "viii"})
_PARTICLES = frozenset(
    ("van", "von", "vom", "der", "den", "dem", "zu", "zum", "zur", "ten", "ter", "op", "af", "av", "de", "da", "das",
     "do", "dos", "du", "del", "y", "bin", "bint", "ibn")
)  # fmt: skip
_AFTER_DE = frozenset({"la", "las", "los"})
_VOWELS = frozenset("aeiouyäöüåøæœ")
#: Two letters that look like initials and are a name or a title.
_SHORT_WORDS = frozenset({"ng", "st", "dr", "mr", "ms", "jr", "sr", "fr"})
_DEGREES = {
    "phd": "PhD", "ph.d": "Ph.D", "ph.d.": "Ph.D.", "dphil": "DPhil", "msc": "MSc", "bsc": "BSc", "mba": "MBA",
    "md": "MD", "cpa": "CPA", "cfa": "CFA", "pmp": "PMP", "dds": "DDS", "mph": "MPH", "llm": "LLM", "rn": "RN",
}  # fmt: skip
#: Of the degrees, those that are a surname or a given name of nobody, so that they need no comma before them.
_SURE_DEGREES = frozenset({"phd", "ph.d", "ph.d.", "dphil", "msc", "bsc"})
_TURKISH_COUNTRIES = frozenset({"TR", "AZ"})


def clean_name(text: str, country: str | None = None, *, whole: bool = False) -> str:
    """As `clean`, and capitalised by `name_case`."""
    cleaned = clean(text)
    cased = name_case(cleaned, country, whole=whole)
    # A capital can make sound text look misread (`î¡`, `Î¡`); such a name keeps its case.
    return cased if clean(cased) == cased else cleaned


def name_case(name: str, country: str | None = None, *, whole: bool = False) -> str:
    """Capitalise a name that is all capitals or all small letters.

    Particles before the last word become small (`VAN DER BERG` is `van der Berg`); initials such as `TJ` or `J.R.`
    and Roman numerals stay capitals. `country` (ISO 3166 alpha-2) tells Turkish from other names. `whole`: the name
    begins with a given name, which is no particle.
    """
    if _NAME.fullmatch(name):
        return name
    lowered, uppered = name.lower(), name.upper()
    if lowered == uppered or name not in (lowered, uppered) or not is_latin(name):
        return name
    turkish = is_turkish(name, country)
    words = name.split(" ")
    cased = " ".join(_word(word, index, words, turkish=turkish, whole=whole) for index, word in enumerate(words))
    return unicodedata.normalize("NFC", cased)


def is_latin(text: str) -> bool:
    """Whether all letters of a text are of the Latin script."""
    return text.isascii() or all("LATIN" in unicodedata.name(letter, "") for letter in text if letter.isalpha())


def is_turkish(text: str, country: str | None) -> bool:
    """Whether I and İ are two letters here: by a letter of Turkish alone, or by any of its own in a Turkish country."""
    if not _any_of(text, "İıĞğ"):
        return country in _TURKISH_COUNTRIES and _any_of(text, "ŞşÇçÖöÜü")
    return True


def capitalised(word: str, *, turkish: bool = False) -> str:
    """The word in small letters with a capital at its front, parts after hyphens and apostrophes likewise.

    A word with Ş and I is left alone where it may as well be Turkish as not.
    """
    if not turkish and "I" in word and "Ş" in word:
        return word
    parts = _NAME_PART.findall(word)
    low = [_small(part, turkish=turkish) for part in parts]
    return "".join(_part(part, after=low[at - 1] if at else "", turkish=turkish) for at, part in enumerate(low))


def _any_of(text: str, letters: str) -> bool:
    return any(letter in text for letter in letters)


def _word(word: str, index: int, words: list[str], *, turkish: bool, whole: bool) -> str:
    low = word.lower()
    last = index == len(words) - 1
    particle = low in _PARTICLES or (low in _AFTER_DE and index > 0 and words[index - 1].lower() == "de")
    if particle and not last and not (whole and index == 0):
        return low
    if index > 0:
        bare = low.rstrip(",")
        if bare in _ROMAN:
            return word.upper()
        if bare in _DEGREES and (bare in _SURE_DEGREES or any("," in before for before in words[:index])):
            return _DEGREES[bare] + word[len(bare) :]
        if low[:2] in ("d'", "d’") and len(low) > 3:
            return low[:2] + capitalised(word[2:], turkish=turkish)
    if word == word.upper() and _is_initials(low.rstrip(",")):
        return word
    return capitalised(word, turkish=turkish)


def _is_initials(low: str) -> bool:
    if "." in low:
        return all(len(piece) <= 1 for piece in low.split("."))
    if len(low) != 2 or not low.isalpha() or low in _SHORT_WORDS:
        return False
    return low.isascii() and (low[1] == "j" or not _VOWELS & set(low))


def _small(part: str, *, turkish: bool) -> str:
    # The small letter of İ is two characters to Unicode, i and a dot above.
    return (part.replace("I", "ı") if turkish else part).replace("İ", "i").lower()


def _part(low: str, *, after: str, turkish: bool) -> str:
    if after in ("'", "’") and len(low) == 1:
        return low
    if low.startswith("mc") and len(low) > 3:
        return "Mc" + low[2].title() + low[3:]
    if low.startswith("mac") and low[3:] in listed("name_words.txt", "mac"):
        return "Mac" + low[3].title() + low[4:]
    if low.startswith("ij") and len(low) > 3 and low[2].isascii() and low[2] not in _VOWELS:
        return "IJ" + low[2:]  # Dutch: one letter, where no vowel follows (Ijaz, Ijeoma)
    if low.startswith("i") and turkish:
        return "İ" + low[1:]
    return low[:1].title() + low[1:]
