"""One place of a spec is changed by machine, and every other byte of the file stays."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import specs
from engine.errors import SpecError
from engine.spec_edit import Append, Change, Put, Remove, Rename, Step, change, expected
from engine.spec_files import kind_of, read_plain
from engine.spec_text import Keys, NotChangeable, changed

ROOT = Path(__file__).parents[1]
WORKED = sorted(path for path in (ROOT / "specs").rglob("*.yaml") if kind_of(read_plain(path)[0]))

HEAD = """\
version: 1
name: expo
source: {use: csv, path: leads.csv, qualifiers: {Lead Type: Type, Follow up: Follow}}
destination: {use: marketo}
"""
MAPPING = """\
mapping:
  # what is written
  fields:   # by field
    email: lead.email   # the key
    title: lead.job_title | truncate(255)   # cut
    type: "qualifiers['Lead Type']"
    company: {value: lead.company, write: if_blank}  # sales
    notes:
      value: lead.notes   # said at the booth

      # only there
      when: lead.country == 'Norway'
    # none further

  qualifiers:
    Lead Type: {field: leadType, options: {Hot: A, Warm: B}}   # by the admin
    Follow up:
      field: followUp
      options:
        "Yes": Y   # quoted
        # and no more
"""


def spec_at(folder: Path, mapping: str = MAPPING) -> specs.Integration:
    path = folder / "expo.yaml"
    path.write_bytes((HEAD + mapping).encode())
    return specs.load(path)


def lines_of(made: Change) -> list[str]:
    """The lines that a change takes out and puts in."""
    return [line for line in made.diff.splitlines()[2:] if line[0] in "+-"]


FIELDS: Keys = ("mapping", "fields")
QUALIFIERS: Keys = ("mapping", "qualifiers")


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (Put((*FIELDS, "title", "too_long"), "truncate"),
         ["-    title: lead.job_title | truncate(255)   # cut",
          "+    title: {value: lead.job_title | truncate(255), too_long: truncate}   # cut"]),
        (Put((*FIELDS, "type", "values"), {"n/a": "", "1,200": "Yes"}),
         ["-    type: \"qualifiers['Lead Type']\"",
          "+    type: {value: \"qualifiers['Lead Type']\", values: {n/a: \"\", \"1,200\": \"Yes\"}}"]),
        (Put((*FIELDS, "company", "too_long"), "truncate"),
         ["-    company: {value: lead.company, write: if_blank}  # sales",
          "+    company: {value: lead.company, write: if_blank, too_long: truncate}  # sales"]),
        (Put((*FIELDS, "notes", "values"), {"-": ""}), ["+      values: {\"-\": \"\"}"]),
        (Put((*FIELDS, "title"), "lead.job_title"),
         ["-    title: lead.job_title | truncate(255)   # cut", "+    title: lead.job_title   # cut"]),
        (Put((*QUALIFIERS, "Lead Type", "options"), {"Cold": "C", "No": "x: y"}),
         ["-    Lead Type: {field: leadType, options: {Hot: A, Warm: B}}   # by the admin",
          "+    Lead Type: {field: leadType, options: {Hot: A, Warm: B, Cold: C, \"No\": \"x: y\"}}   # by the admin"]),
        (Put((*QUALIFIERS, "Follow up", "options"), {"No": "None", "Later": "L"}),
         ["+        \"No\": None", "+        Later: L"]),
        (Put((*QUALIFIERS, "Follow up", "options"), {"Yes": "YES"}),
         ["-        \"Yes\": Y   # quoted", "+        \"Yes\": \"YES\"   # quoted"]),
        (Rename((*FIELDS, "title"), "jobTitle"),
         ["-    title: lead.job_title | truncate(255)   # cut",
          "+    jobTitle: lead.job_title | truncate(255)   # cut"]),
        (Remove((*FIELDS, "notes")),
         ["-    notes:", "-      value: lead.notes   # said at the booth", "-",
          "-      # only there", "-      when: lead.country == 'Norway'"]),
        (Remove((*QUALIFIERS, "Follow up", "options", "Yes")),
         ["-      options:", "-        \"Yes\": Y   # quoted"]),
        (Put(("required",), ["last_name"]), ["+required: [last_name]"]),
        (Put(("matching",), [{"by": "email", "value": "lead.email"}]),
         ["+matching: [{by: email, value: lead.email}]"]),
    ],
)  # fmt: skip
def test_one_place_changes_and_its_comments_stay(tmp_path: Path, step: Step, lines: list[str]) -> None:
    integration = spec_at(tmp_path)
    made = change(integration, [step])
    assert lines_of(made) == lines
    assert integration.path.read_text("utf-8") == HEAD + MAPPING, "nothing is written unasked"


def test_several_steps_are_one_change_which_is_tried_before_it_is_written(tmp_path: Path) -> None:
    integration = spec_at(tmp_path)
    steps = [Put((*FIELDS, "title"), "lead.title"), Put((*FIELDS, "title", "values"), {"n/a": ""})]
    made = change(integration, steps)
    row = next(row for row in specs.load(integration.path, made.texts).mapping.fields if row.target == "title")
    assert (row.value, row.values) == ("lead.title", {"n/a": ""})
    assert all(not row.values for row in specs.load(integration.path).mapping.fields)
    made.write()
    assert specs.load(integration.path).digest == specs.load(integration.path, made.texts).digest


def test_a_part_in_a_file_of_its_own_is_changed_there(tmp_path: Path) -> None:
    mapping = "version: 1\nfields:\n  email: lead.email\n  title: lead.job_title\n"
    rules = "version: 1\nrules:\n  - by: email   # the only one\n    value: lead.email\n"
    (tmp_path / "mapping.yaml").write_text(mapping, "utf-8")
    (tmp_path / "rules.yaml").write_text(rules, "utf-8")
    integration = spec_at(tmp_path, "mapping: mapping.yaml\nmatching: rules.yaml\n")
    made = change(integration, [Put((*FIELDS, "title", "too_long"), "truncate")])
    assert (made.path.name, len(lines_of(made))) == ("mapping.yaml", 2)
    rules = change(integration, [Put(("matching", 0, "duplicates"), "most_recent")])
    assert (rules.path.name, lines_of(rules)) == ("rules.yaml", ["+    duplicates: most_recent"])
    assert specs.load(integration.path, rules.texts).matching[0].duplicates == "most_recent"
    with pytest.raises(SpecError, match="several files"):
        change(integration, [Put((*FIELDS, "title", "too_long"), "truncate"), Put(("required",), [])])


def test_a_file_that_changed_meanwhile_is_not_written(tmp_path: Path) -> None:
    integration = spec_at(tmp_path)
    made = change(integration, [Put((*FIELDS, "title", "too_long"), "truncate")])
    integration.path.write_text(HEAD + MAPPING + "# mine\n", "utf-8")
    with pytest.raises(SpecError, match="changed meanwhile"):
        made.write()
    assert integration.path.read_text("utf-8").endswith("# mine\n")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_a_byte_order_mark_and_permissions_stay(tmp_path: Path, mark: str) -> None:
    integration = spec_at(tmp_path)
    before = (mark + HEAD + MAPPING).replace("\n", "\r\n")
    integration.path.write_bytes(before.encode())
    integration.path.chmod(0o640)
    change(integration, [Put((*QUALIFIERS, "Follow up", "options"), {"No": "Z"})]).write()
    after = integration.path.read_bytes().decode()
    assert after == before.replace("# quoted\r\n", '# quoted\r\n        "No": Z\r\n')
    assert integration.path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("mapping", "step", "why"),
    [
        ("mapping:\n  fields:\n    a: &x {value: lead.city}\n    b: *x\n", Put((*FIELDS, "b", "when"), "lead.city"),
         "alias"),
        ("mapping:\n  fields: {a: lead.city}\n", Rename((*FIELDS, "b"), "c"), "there is no"),
        ("mapping:\n  fields: {a: lead.city, b: lead.city}\n", Rename((*FIELDS, "a"), "b"), "already"),
        ("mapping:\n  fields: {a: lead.city}\n", Append((*FIELDS, "a"), "c"), "no such place"),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_without_changing_more_is_left_to_people(
    tmp_path: Path, mapping: str, step: Step, why: str
) -> None:
    with pytest.raises(SpecError, match="cannot be changed by machine") as raised:
        change(spec_at(tmp_path, mapping), [step])
    assert why in raised.value.why and raised.value.fix and raised.value.where


def test_json_stays_json(tmp_path: Path) -> None:
    rows = {"title": "lead.city", "rating": {"value": "lead.notes", "options": ["A"]}}
    whole = {"version": 1, "name": "expo", "source": {"use": "csv"}, "destination": {"use": "marketo"},
             "mapping": {"fields": rows}}  # fmt: skip
    path = tmp_path / "expo.json"
    path.write_text(json.dumps(whole, indent=1), "utf-8")
    steps = [
        Put((*FIELDS, "title", "values"), {"n/a": ""}), Append((*FIELDS, "rating", "options"), "B"),
        Put(("matching",), [{"by": "email", "value": "lead.email"}]), Remove(("mapping", "fields", "title")),
    ]  # fmt: skip
    for count in range(1, len(steps) + 1):
        made = change(specs.load(path), steps[:count])
        assert json.loads(made.new), "a trailing comma or a bare word is no JSON"


# Any place of any worked spec -----------------------------------------------------------------------------------------


def places(node: Any, at: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every key and item of a spec with its value."""
    if at:
        yield at, node
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield from places(value, (*at, key))


EVERY = [(path, at, value) for path in WORKED for at, value in places(read_plain(path)[0])]
WORDS = st.one_of(
    st.sampled_from(["truncate", "n/a", "-", "Yes", "1,200", "a: b", "# c", "{x}", "it's", 'say "x"', "*", "~", ""]),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=12),
)


@given(st.sampled_from(EVERY), WORDS, WORDS, st.sampled_from(["put", "set", "rename", "remove", "append"]))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_only_the_lines_concerned_change(place: tuple[Path, Keys, Any], name: str, word: str, kind: str) -> None:
    path, at, value = place
    step: Step = Put((*at, name or "x"), word) if kind == "put" else Put(at, word)
    if kind in ("rename", "remove") and isinstance(at[-1], str):
        step = Rename(at, name) if kind == "rename" else Remove(at)
    if kind == "append" and isinstance(value, list):
        step = Append(at, word)
    text = path.read_text("utf-8")
    before, positions = read_plain(path, text=text)
    try:
        after, wanted = changed(text, step), expected(before, step)
    except NotChangeable:
        return
    assert read_plain(path, text=after)[0] == wanted
    old, new = text.splitlines(), after.splitlines()
    blocks = [block for block in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
              if block[0] != "equal"]  # fmt: skip
    assert len(blocks) <= 1, "one place changes"
    if blocks and not isinstance(step, Remove):
        line = positions[".".join(map(str, at))].line
        assert blocks[0][1] >= line - 1 and len(new) - len(old) <= 1
