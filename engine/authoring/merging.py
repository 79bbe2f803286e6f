"""Adds converted rows to an integration that is there, comments kept; what differs is a conflict, never overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from engine.authoring.conversion import Converted
from engine.authoring.yaml_text import one_line
from engine.errors import Place, SpecError
from engine.spec_files import SpecErrors, parse, read_text, round_trip


@dataclass
class Target:
    """An integration's parts as trees that keep comments, with the file of each. Raises SpecError where it has none."""

    path: Path
    trees: dict[Path, Any] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    conflicts: list[SpecError] = field(default_factory=list)

    def tree(self, path: Path) -> Any:
        if path not in self.trees:
            self.texts[path] = read_text(path)
            self.trees[path] = parse(self.texts[path], path)
        return self.trees[path]

    def part(self, name: str) -> tuple[Path, Any]:
        """The part of that name, and the file that it stands in."""
        tree = self.tree(self.path)
        value = tree.get(name) if isinstance(tree, CommentedMap) else None
        if isinstance(value, str):
            other = self.path.parent / value
            return other, self.tree(other)
        if not isinstance(value, CommentedMap):
            what = f"the file has no {name}, as an integration has"
            raise SpecError(what, where=str(self.path), fix="Name an integration with --into.", code="wrong-kind")
        return self.path, value


def merged(path: Path, made: Converted, *, force: bool) -> dict[Path, str]:
    """The files that change, with their new text. Raises SpecErrors with every row that is there and differs.

    With `force`, such rows are replaced.
    """
    target = Target(path)
    mapping_path, mapping = target.part("mapping")
    source_path, source = target.part("source")
    written = _written(mapping)
    for name, value in {**made.fields, **made.qualifiers}.items():
        to = name if name in made.fields else value["field"]
        kind = "fields" if name in made.fields else "qualifiers"
        other = written.get(to, (kind, name))
        if other != (kind, name):
            what = f"{to!r} is written by {other[0]}.{other[1]} already"
            where = _place(mapping_path, mapping[other[0]], other[1])
            target.conflicts.append(SpecError(what, where=where, fix="Remove one of the two.", code="written-twice"))
        else:
            _put(target, mapping_path, mapping, kind, name, value, made.notes.get(to, ""), force)
    for column, field_name in made.columns.items():
        _put(target, source_path, source, "columns", column, field_name, "", force)
    for name, column in made.qualifier_columns.items():
        _put(target, source_path, source, "qualifiers", name, column, "", force)
    if made.required:
        whole = target.tree(path)
        known = list(whole.get("required", made.required))
        whole["required"] = list(dict.fromkeys([*known, *made.required]))
    if target.conflicts:
        raise SpecErrors(target.conflicts)
    texts = {each: _dumped(tree, target.texts[each]) for each, tree in target.trees.items()}
    return {each: text for each, text in texts.items() if text != target.texts[each]}


def known_columns(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The columns that an integration lists, with their fields, and its qualifiers by their columns."""
    _, source = Target(path).part("source")
    qualifiers = {
        str(row["column"] if isinstance(row, Mapping) else row): str(name)
        for name, row in (source.get("qualifiers") or {}).items()
    }
    return {str(column): str(name) for column, name in (source.get("columns") or {}).items()}, qualifiers


def _written(mapping: Any) -> dict[str, tuple[str, str]]:
    """The vendor's fields that are written already, with the part and the name of the row."""
    fields = {str(name): ("fields", str(name)) for name in mapping.get("fields") or {}}
    rows = (mapping.get("qualifiers") or {}).items()
    return fields | {str(row["field"]): ("qualifiers", str(name)) for name, row in rows if "field" in row}


def _put(
    target: Target, path: Path, part: Any, kind: str, name: str, value: Any, note: str, force: bool
) -> None:  # fmt: skip
    """Add an entry; one that is there and the same stays as it is, one that differs is a conflict."""
    if not part.get(kind):
        part[kind] = CommentedMap()
    rows = part[kind]
    if name in rows and _same(rows[name], value):
        return
    if name in rows and not force:
        what = f"{kind}.{name} is there already, and says something else"
        target.conflicts.append(SpecError(
            what, where=_place(path, rows, name), fix="Correct the table or the spec, or --force to replace the row.",
            code="written-twice",
        ))  # fmt: skip
        return
    rows[name] = _flow(value)
    if note:
        rows.yaml_add_eol_comment(one_line(note), name)


def _same(one: Any, other: Any) -> bool:
    """Whether two rows say the same; the short form of a row is its value alone."""
    plain_one = {"value": one} if isinstance(one, str) else dict(one)
    return plain_one == ({"value": other} if isinstance(other, str) else other)


def _flow(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    made = CommentedMap({key: _flow(inner) for key, inner in value.items()})
    made.fa.set_flow_style()
    return made


def _place(path: Path, rows: Any, name: str) -> Place:
    line, column = rows.lc.key(name) if name in (rows.lc.data or {}) else (rows.lc.line, rows.lc.col)
    return Place(str(path), line + 1, column + 1)


def _dumped(tree: Any, before: str) -> str:
    out = StringIO()
    round_trip(before).dump(tree, out)
    return out.getvalue()
