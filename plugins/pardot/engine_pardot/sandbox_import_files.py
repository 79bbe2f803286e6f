"""The files of the sandbox's imports: what is uploaded, and the file of errors.

Source: developer.salesforce.com/docs/marketing/pardot/guide/import-v5
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from engine.testing.server import Request, Response
from engine_pardot.sandbox_errors import ApiError

#: The most bytes that any upload may have.
_MOST_BYTES = 50 * 2**20
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?')
_NAME = re.compile(rb'^content-disposition:[^\r\n]*[;\s]name="?([^";\r\n]+)"?', re.IGNORECASE | re.MULTILINE)


def uploaded(request: Request) -> tuple[Mapping[str, Any], bytes | None]:
    """The JSON of the part `input` ({} where there is none) and the content of the part `file`.

    A JSON body stands for an `input` without a file. Raises ApiError for another content type and for bad content.
    """
    if len(request.body) > _MOST_BYTES:
        raise ApiError("204")
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return json_object(request.body), None
    boundary = _BOUNDARY.search(kind)
    if not kind.startswith("multipart/form-data") or boundary is None:
        raise ApiError("151")
    parts = dict(_parts(request.body, boundary[1].encode()))
    return (json_object(parts["input"]) if "input" in parts else {}), parts.get("file")


def table(content: bytes | None, code: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a file. Raises ApiError with the code where there is no file or no row."""
    text = (content or b"").decode("utf-8-sig", "replace")
    lines = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if len(lines) < 2:
        raise ApiError(code)
    return [name.strip() for name in lines[0]], lines[1:]


def reported(rows: Iterable[tuple[Sequence[str], int, Sequence[str], str]], column: str, layout: str) -> Response:
    """The file of errors: each row as it was uploaded, and why it failed.

    rows: header, number of the row, cells, reason; a change of header starts a new block. layout: after, before, or
    numbered (the row's number first, the reason last).
    """
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\n")
    last: Sequence[str] = ()
    for header, number, cells, reason in rows:
        if header != last:
            writer.writerow(_arranged(header, "row", column, layout))
            last = header
        writer.writerow(_arranged(cells, str(number), reason, layout))
    return Response(200, made.getvalue().encode(), {"Content-Type": "text/csv;charset=UTF-8"})


def _arranged(cells: Sequence[str], number: str, reason: str, layout: str) -> list[str]:
    if layout == "before":
        return [reason, *cells]
    return [number, *cells, reason] if layout == "numbered" else [*cells, reason]


def _parts(body: bytes, boundary: bytes) -> Iterable[tuple[str, bytes]]:
    for part in body.split(b"--" + boundary):
        head, found, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if found and name:
            yield name[1].decode("utf-8", "replace"), content.removesuffix(b"\r\n")


def json_object(body: bytes) -> Mapping[str, Any]:
    """A JSON object. Raises ApiError for no body, and for something else."""
    if not body.strip():
        raise ApiError("152")
    try:
        content = orjson.loads(body)
    except ValueError:
        raise ApiError("150") from None
    if not isinstance(content, dict):
        raise ApiError("150")
    return content
