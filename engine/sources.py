"""The built-in sources: csv and jsonl, from a file or standard input, streamed."""

from __future__ import annotations

import codecs
import csv
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import orjson

from engine.adapters import Source
from engine.errors import SpecError
from engine.filters import text
from engine.hookspecs import hookimpl
from engine.records import RawLead

_PATH = {
    "path": {
        "title": "Path",
        "description": "The file to read; `-` is standard input.",
        "type": "string",
        "examples": ["leads.csv"],
    }
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 64 * 1024
#: A cell longer than this is taken for a quote that was never closed.
MAX_CELL = 256 * 1024


@hookimpl
def register_sources() -> list[type[Source]]:
    return [CsvSource, JsonLinesSource]


class _Lines:
    """Decodes a binary stream line by line: the file's encoding first, cp1252 for a line that is not in it.

    Badge scanners mix encodings within one file, so each line is decided on its own; what was repaired is counted.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None) -> None:
        self._stream = stream
        head = stream.peek(_SAMPLE) if isinstance(stream, io.BufferedReader) else b""
        self.encoding, self._wide = _detect(head, encoding)
        self.lines = 0
        self.repaired = 0
        self.undecodable: dict[int, str] = {}
        #: The lines since whoever reads cleared them: those of the row being read.
        self.kept: list[str] = []
        self.at_end = False

    def __iter__(self) -> Iterator[str]:
        yield from self._decoded() if self._wide else self._line_by_line()
        self.at_end = True

    @property
    def first_line(self) -> int:
        """The line number of the first line kept."""
        return self.lines - len(self.kept) + 1

    @property
    def read_bytes(self) -> int:
        return self._stream.tell()

    def _decoded(self) -> Iterator[str]:
        # Kept, for a wrapper that is collected closes the stream under it.
        self._wrapper = io.TextIOWrapper(self._stream, encoding=self.encoding, errors="replace", newline="")
        for line in self._wrapper:
            self.lines += 1
            self.kept.append(line)
            yield line

    def _line_by_line(self) -> Iterator[str]:
        encoding = "utf-8" if self.encoding == "utf-8-sig" else self.encoding
        for raw in self._stream:
            self.lines += 1
            if self.lines == 1 and self.encoding == "utf-8-sig":
                raw = raw.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
            try:
                line = raw.decode(encoding)
            except UnicodeDecodeError:
                self.repaired += 1
                line = self._repair(raw)
            self.kept.append(line)
            yield line

    def _repair(self, raw: bytes) -> str:
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError as error:
            self.undecodable[self.lines] = f"byte 0x{raw[error.start]:02x} is neither {self.encoding} nor cp1252"
            return raw.decode("latin-1")

    def notes(self) -> list[str]:
        found = [f"encoding {'utf-8 with BOM' if self.encoding == 'utf-8-sig' else self.encoding}"]
        if self.repaired:
            found.append(f"{self.repaired} lines read as cp1252")
        return found


def _detect(head: bytes, given: str | None) -> tuple[str, bool]:
    """The encoding of a stream from its first bytes, and whether its characters are wider than a byte."""
    if given:
        return given, given.lower().replace("_", "-").startswith(("utf-16", "utf-32"))
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, name != "utf-8-sig"
    if len(head) >= 4 and head[1::2][:200].count(0) > len(head[:400]) // 4:
        return "utf-16-le", True
    if len(head) >= 4 and head[0::2][:200].count(0) > len(head[:400]) // 4:
        return "utf-16-be", True
    return "utf-8", False


class _FileSource(Source):
    """Opens the file or standard input, once."""

    def __init__(self, config: Mapping[str, Any], context: Any) -> None:
        super().__init__(config, context)
        self._path = str(config["path"])
        self._stream: BinaryIO | None = None
        self._size = 0
        self._text: _Lines | None = None

    @property
    def label(self) -> str:
        return "standard input" if self._path == "-" else Path(self._path).name

    def _open(self) -> _Lines:
        if self._text is None:
            encoding = self.config.get("encoding")
            try:
                codecs.lookup(encoding or "utf-8")
            except LookupError as error:
                raise SpecError(f"there is no encoding {encoding!r}", fix="For example utf-8 or cp1252.") from error
            if self._path == "-":
                self._stream = sys.stdin.buffer
            else:
                path = self.context.folder / self._path
                try:
                    self._stream = io.BufferedReader(io.FileIO(path), _SAMPLE)
                    self._size = os.fstat(self._stream.fileno()).st_size
                except OSError as error:
                    raise SpecError(
                        f"cannot read the source: {error.strerror}",
                        where=str(path),
                        fix="Name a file that can be read: `engine run SPEC FILE`, or `source.path` in the spec.",
                    ) from error
            self._text = _Lines(self._stream, encoding)
        return self._text

    def notes(self) -> Sequence[str]:
        return self._text.notes() if self._text else ()

    def progress(self) -> tuple[int, int] | None:
        return (min(self._text.read_bytes, self._size), self._size) if self._text and self._size else None

    def close(self) -> None:
        if self._stream is not None and self._path != "-":
            self._stream.close()


class CsvSource(_FileSource):
    """Delimited text with a header row; encoding and delimiter are detected unless given."""

    name = "csv"
    summary = "Reads delimited text (CSV, TSV, semicolons) with a header row."
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": {
            **_PATH,
            "encoding": {
                "title": "Encoding",
                "description": "The file's encoding, where detecting it is not wanted.",
                "type": "string",
                "examples": ["cp1252"],
            },
            "delimiter": {
                "title": "Delimiter",
                "description": "The character between cells, where detecting it is not wanted.",
                "type": "string",
                "minLength": 1,
                "maxLength": 1,
                "examples": [";"],
            },
        },
    }

    def __init__(self, config: Mapping[str, Any], context: Any) -> None:
        super().__init__(config, context)
        self._header: list[str] | None = None
        self._reader: Iterator[list[str]] | None = None
        self._notes: list[str] = []

    def columns(self) -> Sequence[str]:
        if self._header is None:
            self._header = self._read_header()
        return self._header

    def _read_header(self) -> list[str]:
        source = self._open()
        lines = iter(source)
        first = next((line for line in lines if line.strip("\r\n\t ,;|\ufeff")), None)
        if first is None:
            self._notes.append("the file is empty")
            return []
        delimiter = self.config.get("delimiter") or _delimiter(first)
        self._notes.append(f"delimiter {_NAMES.get(delimiter, delimiter)}")
        csv.field_size_limit(MAX_CELL)
        self._reader = csv.reader(chain([first], lines), delimiter=delimiter)
        try:
            names = next(self._reader)
        except csv.Error as error:
            raise SpecError(f"the header cannot be read: {error}", where=self.label) from error
        if source.at_end:
            raise SpecError("the header opens a quote and never closes it", where=self.label)
        header, renamed = _unique([name.strip() for name in names])
        if renamed:
            self._notes.append(f"repeated columns renamed: {', '.join(renamed)}")
        return header

    def rows(self) -> Iterator[RawLead]:
        header = self.columns()
        reader, lines = self._reader, self._open()
        if reader is None:
            return
        width = len(header)
        kept, undecodable = lines.kept, lines.undecodable
        while True:
            kept.clear()
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield RawLead({"": "".join(kept)}, lines.first_line, f"the row cannot be read: {error}")
                continue
            if len(row) == width and not undecodable and len(kept) == 1 and not lines.at_end:
                yield RawLead(dict(zip(header, row)), lines.lines)  # noqa: B905 - the lengths were just compared
            elif any(row):
                yield RawLead(_by_column(header, row), lines.first_line, self._problem(row, lines))

    def _problem(self, row: list[str], lines: _Lines) -> str:
        width = len(self.columns())
        for line in range(lines.first_line, lines.lines + 1):
            if line in lines.undecodable:
                return lines.undecodable.pop(line)
        if lines.at_end and "".join(lines.kept).count('"') % 2:
            return "a quote is opened and never closed, so the rest of the file is one cell"
        if len(row) > width and any(cell.strip() for cell in row[width:]):
            return f"the row has {len(row)} cells, the header has {width}"
        return ""

    def notes(self) -> Sequence[str]:
        return (*super().notes(), *self._notes)


_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}


def _delimiter(header: str) -> str:
    """The likeliest delimiter of a header line: the one that stands in it most often outside quotes."""
    outside = "".join(header.split('"')[::2])
    return max((",", ";", "\t", "|"), key=outside.count)


def _unique(names: list[str]) -> tuple[list[str], list[str]]:
    """Give repeated and empty column names a number; returns all names and those changed."""
    seen: dict[str, int] = {}
    unique: list[str] = []
    renamed: list[str] = []
    for index, given in enumerate(names):
        name = given or f"column {index + 1}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            while (numbered := f"{name} ({seen[name]})") in names or numbered in unique:
                seen[name] += 1
            name = numbered
            renamed.append(name)
        unique.append(name)
    return unique, renamed


def _by_column(header: Sequence[str], row: list[str]) -> dict[str, str]:
    values = dict(zip(header, row, strict=False))
    extra = row[len(header) :]
    if any(cell.strip() for cell in extra):
        values.update({f"extra {index + 1}": cell for index, cell in enumerate(extra)})
    return values


class JsonLinesSource(_FileSource):
    """One JSON object a line. Nested values become text in JSON form; lists of plain values are joined by `;`."""

    name = "jsonl"
    summary = "Reads JSON Lines: one object a line."
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": _PATH,
    }

    def columns(self) -> Sequence[str]:
        self._open()
        return ()

    def rows(self) -> Iterator[RawLead]:
        lines = self._open()
        for line in lines:
            lines.kept.clear()
            stripped = line.strip("\r\n\t \x00")
            if not stripped:
                continue
            try:
                found = orjson.loads(stripped)
            except orjson.JSONDecodeError as error:
                yield RawLead({"": stripped}, lines.lines, f"no JSON: {error}")
                continue
            if not isinstance(found, dict):
                yield RawLead({"": stripped}, lines.lines, "the line is no JSON object")
                continue
            problem = lines.undecodable.pop(lines.lines, "")
            yield RawLead({key: _cell(value) for key, value in found.items()}, lines.lines, problem)


def _cell(value: Any) -> str:
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)):
        return orjson.dumps(value).decode()
    return text(value)
