"""The files of the sandbox's imports: what is uploaded, and the files of failures and warnings.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-import
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from engine.testing.server import Request, Response
from engine_marketo.sandbox_calls import ApiError

_DELIMITERS = {"csv": ",", "tsv": "\t", "ssv": ";"}
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?')
_FILE_PART = re.compile(rb'^content-disposition:[^\r\n]*\bname="?file"?(;|\s*$)', re.IGNORECASE | re.MULTILINE)


def delimiter(form: str) -> str:
    """What stands between the cells of a `format`. Raises ApiError for one that is unknown."""
    if form not in _DELIMITERS:
        raise ApiError("1003", f"Invalid value for format: '{form}'")
    return _DELIMITERS[form]


def uploaded(request: Request, between: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of the file in a multipart request. Raises ApiError where there is none or no row."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise ApiError("612", "Invalid Content Type")
    boundary = _BOUNDARY.search(kind)
    content = None if boundary is None else _file_part(request.body, boundary[1].encode())
    if content is None:
        raise ApiError("613", "Invalid Multipart Request")
    lines = [row for row in csv.reader(io.StringIO(content, newline=""), delimiter=between) if row]
    if len(lines) < 2:
        raise ApiError("1003", "Empty file")
    return [name.strip() for name in lines[0]], lines[1:]


def _file_part(body: bytes, boundary: bytes) -> str | None:
    for part in body.split(b"--" + boundary):
        head, found, content = part.partition(b"\r\n\r\n")
        if found and _FILE_PART.search(head):
            return content.removesuffix(b"\r\n").decode("utf-8-sig", "replace")
    return None


def reported(header: Sequence[str], between: str, reason: str, rows: Iterable[tuple[Sequence[str], str]]) -> Response:
    """A file of the rows as they were uploaded, each with why it is here; without rows it has no length at all."""
    made = io.StringIO(newline="")
    writer = csv.writer(made, delimiter=between, lineterminator="\n")
    for number, (cells, why) in enumerate(rows):
        if number == 0:
            writer.writerow([*header, reason])
        writer.writerow([*cells, why])
    return Response(200, made.getvalue().encode(), {"Content-Type": "text/csv;charset=UTF-8"})
