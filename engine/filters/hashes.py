"""Filters for fingerprints, as advertising platforms want them. They hide nothing that can be guessed and tried."""

from __future__ import annotations

import hashlib
from typing import Any

from engine.filters.base import plain


def sha256(value: Any) -> str:
    """The SHA-256 of the text, in hexadecimal; trim it and write it in lower case first."""
    source = plain(value)
    return hashlib.sha256(source.encode()).hexdigest() if source else ""


def sha1(value: Any) -> str:
    """The SHA-1 of the text, in hexadecimal."""
    source = plain(value)
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest() if source else ""


def md5(value: Any) -> str:
    """The MD5 of the text, in hexadecimal."""
    source = plain(value)
    return hashlib.md5(source.encode(), usedforsecurity=False).hexdigest() if source else ""
