"""The normal form of email addresses, phone numbers, web addresses and host names.

Pure functions: text in, text out, never an exception. What is not valid is returned as it came, because a person has to
see what was captured in order to correct it. phonenumbers and email-validator are imported only when the quick test
of a value fails.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from engine_enrichers.offline.text import clean

_EMAIL = re.compile(
    r"(?=.{1,64}@)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@"
    r"(?=.{1,189}$)[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*\.[a-z]{2,24}"
)
_E164 = re.compile(r"\+[1-9]\d{6,14}(?: x\d{1,20})?", re.ASCII)
_URL = re.compile(r"https?://[a-z0-9]+(?:[.-][a-z0-9]+)*\.[a-z]{2,24}(?:/[!-\"$->@-~]*)?")
_HOST = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)*\.[^\W\d_][\w-]*(?::\d{1,5})?")
_PORT = re.compile(r"(?::\d+|\.)+$")
_SCHEME = re.compile(r"(?i)(https?):/*")
_TRACKING = re.compile(
    r"(?i)utm_\w+|gclid|gbraid|wbraid|fbclid|msclkid|dclid|yclid|igshid|igsh|mc_[ce]id|mkt_tok|_hs\w+|hsctatracking"
    r"|trk\w*|trackingid|lipi|licu|original_?referer|vero_id|oly_\w+"
)


def normal_email(text: str) -> str:
    """The address in small letters, without `mailto:`, brackets and trailing punctuation."""
    if _EMAIL.fullmatch(text):
        return text
    address = clean(text)
    if address[:7].lower() == "mailto:":
        address = address[7:].partition("?")[0]
    address = address.lstrip(" <\"'").rstrip(" >\"'.,;:").lower()
    if _EMAIL.fullmatch(address):
        return address
    return _validated(address) or text


def _validated(address: str) -> str:
    """The address as email-validator spells it, in small letters; empty if it is not valid."""
    import email_validator

    for _ in range(2):  # small letters may have another normal form, so the result is validated once more
        try:
            found = email_validator.validate_email(address, check_deliverability=False).normalized.lower()
        except (email_validator.EmailNotValidError, UnicodeError):
            return ""
        if found == address:
            return found
        address = found
    return ""


def is_email(text: str) -> bool:
    """Whether the text is one valid address in its normal form."""
    return bool(_EMAIL.fullmatch(text)) or _validated(text) == text


def normal_phone(text: str, region: str | None) -> str:
    """The number as E.164, followed by ` x123` where it has an extension.

    `region`: ISO 3166 alpha-2 code for numbers without a country prefix; None leaves those as they are. A number that
    is E.164 already is not validated again.
    """
    if _E164.fullmatch(text):
        return text
    import phonenumbers

    number = clean(text)
    if region is None and number.startswith("00"):
        number = "+" + number[2:]
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return text
    if not phonenumbers.is_valid_number(parsed):
        return text
    normal = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    return f"{normal} x{parsed.extension}" if parsed.extension else normal


def normal_url(text: str, *, keep_query: bool = True) -> str:
    """The address with scheme, host in small letters and no tracking parameters; anything else stays as it is.

    `keep_query`: False drops the whole query and fragment, for profile pages.
    """
    if _URL.fullmatch(text):
        return text
    address = clean(text)
    scheme = _SCHEME.match(address)
    rest = address[scheme.end() :] if scheme else address.lstrip("/")
    try:
        parts = urlsplit(f"{scheme[1].lower() if scheme else 'https'}://{rest}")
    except ValueError:
        return text
    host = parts.netloc.lower()
    if " " in rest or not _HOST.fullmatch(host):
        return text
    query = parts.query if keep_query else ""
    return urlunsplit((parts.scheme, host, parts.path, _untracked(query), parts.fragment if keep_query else ""))


def _untracked(query: str) -> str:
    if not query:
        return ""
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not _TRACKING.fullmatch(name)]
    # What holds no tracking keeps its exact spelling: some sites read their query by position.
    return query if len(kept) == len(pairs) else urlencode(kept)


def normal_domain(text: str) -> str:
    """The host name alone, in small letters and without `www.`; anything that is not one stays as it is."""
    address = clean(text).lower()
    scheme = _SCHEME.match(address)
    host = re.split(r"[/?#]", address[scheme.end() :] if scheme else address, maxsplit=1)[0]
    host = _PORT.sub("", host)
    while host.startswith("www."):
        host = host[4:]
    return host if _HOST.fullmatch(host) else text
