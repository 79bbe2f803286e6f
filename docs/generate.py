"""Write the parts of the documentation that come from the code; `--check` says which of them are stale.

A generated part stands in a page between `<!-- generated: NAME -->` and `<!-- end: NAME -->`; the pages of the folder
`failures`, and the schemas for editors in `specs/schemas`, are generated as a whole. What they say is said in the code:
in docstrings, JSON Schemas, the tables of failure and finding codes, and the command line.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import generate_expressions
import generate_providers
import generate_sessions
from generate_tables import HEAD, inside, rows, table

from engine import (
    adapters,
    asking,
    code_pages,
    code_texts,
    codes,
    editor_schemas,
    errors,
    findings,
    hookspecs,
    limits,
    logs,
    metrics,
    plugins,
    records,
    specs,
)
from engine.cli import build_cli

HERE = Path(__file__).parent
SCHEMAS = HERE.parent / "specs" / "schemas"
_PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)

#: The adapters that come with the engine and the first-party plugins.
SHIPPED = (
    ("source", "csv"),
    ("source", "jsonl"),
    *(
        ("enricher", name)
        for name in ("normalize", "names", "company_names", "job_titles", "phones", "places", "emails", "email_domain")
    ),
    ("enricher", "people_data_labs"),
    ("enricher", "http"),
    ("vendor", "marketo"),
    ("vendor", "pardot"),
)


# Commands ---------------------------------------------------------------------------------------------------------


def commands_of(module: str, group: click.Group, path: str = "engine") -> Iterator[tuple[str, click.Command]]:
    """The commands of a module by their full names."""
    for name, command in sorted(group.commands.items()):
        if (getattr(command.callback, "__module__", "") or "").startswith(module):
            yield f"{path} {name}", command
            if isinstance(command, click.Group):
                yield from commands_of(module, command, f"{path} {name}")


def commands(module: str = "engine.cli") -> Iterator[str]:
    """The commands of the core; those that plugins add are described on the plugins' pages."""
    for path, command in commands_of(module, build_cli()):
        context = click.Context(command, info_name=path)
        yield from (f"### {path}", "", inspect.cleandoc(command.help or ""), "")
        yield from ("```text", " ".join([path, *command.collect_usage_pieces(context)]), "```", "")
        options = [record for item in command.params if (record := item.get_help_record(context))]
        if options:
            yield from table(("option", "meaning"), ((f"`{names}`", _plain_help(text)) for names, text in options))
            yield ""


def _plain_help(text: str) -> str:
    return re.sub(r"\s*\[default: (.*?)\]", r" Default: `\1`.", text)


# Docstrings -------------------------------------------------------------------------------------------------------


def _tree(module: Any) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _signature(node: ast.FunctionDef) -> str:
    arguments = ast.unparse(node.args)
    for first in ("self, ", "cls, ", "self", "cls"):
        arguments = arguments.removeprefix(first)
    return f"{node.name}({arguments}) -> {ast.unparse(node.returns) if node.returns else 'None'}"


def _prose(text: str | None) -> str:
    """A docstring as Markdown: paragraphs as they are, single backquotes kept."""
    return inspect.cleandoc(text or "")


def hooks() -> Iterator[str]:
    for node in _tree(hookspecs).body:
        if isinstance(node, ast.FunctionDef):
            yield from (f"## {node.name}", "", "```python", f"def {_signature(node)}", "```", "")
            yield from (_prose(ast.get_docstring(node)), "")


def _class(module: Any, name: str) -> Iterator[str]:
    node = next(item for item in _tree(module).body if isinstance(item, ast.ClassDef) and item.name == name)
    bases = [ast.unparse(base) for base in node.bases if ast.unparse(base) not in {"ABC", "Exception"}]
    yield from (f"### {name}" + (f" (a kind of {bases[0]})" if bases else ""), "", _prose(ast.get_docstring(node)), "")
    attributes = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    if attributes:
        yield from table(("attribute", "type", "default"), (_attribute(item) for item in attributes))
        yield ""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            marks = {ast.unparse(mark) for mark in item.decorator_list}
            kinds = [word for mark, word in _KINDS.items() if mark in marks]
            told = " ".join(_prose(ast.get_docstring(item)).split())
            shape = _signature(item) if "property" not in marks else _signature(item).replace("() ->", ":")
            yield f"- `{shape}`" + (f" ({', '.join(kinds)})" if kinds else "") + (f"<br>\n  {told}" if told else "")
    yield ""


_KINDS = {"abstractmethod": "to be written by you", "property": "a property", "classmethod": "a class method"}


def _attribute(item: ast.AnnAssign) -> tuple[str, str, str]:
    kind = re.sub(r"^ClassVar\[(.*)\]$", r"\1", ast.unparse(item.annotation))
    default = f"`{ast.unparse(item.value)}`" if item.value is not None else ""
    default = re.sub(r"^`field\(default_factory=(.*)\)`$", "made new", default)
    return f"`{ast.unparse(item.target)}`", f"`{kind}`", default


def interfaces() -> Iterator[str]:
    for name in ("Context", "Inbox", "Adapter", "Source", "Vendor", "Examined", "Bulk", "Enricher"):
        yield from _class(adapters, name)
    for name in ("Ask", "Inquiry", "EnrichAnswer", "Finding", "Price"):
        yield from _class(asking, name)
    yield from _class(limits, "Limits")
    for name in ("RawLead", "Field", "Program", "Membership", "Member", "Standing", "Decision", "Delivery", "Found",
                 "Outcome", "Failure", "Notice"):  # fmt: skip
        yield from _class(records, name)
    yield from _class(codes, "VendorCode")


def exceptions() -> Iterator[str]:
    tree = [line[4:] for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    yield from ("```text", *tree, "```")


# JSON Schemas -----------------------------------------------------------------------------------------------------


def spec_reference() -> Iterator[str]:
    root = specs.schema("integration")
    sections = {"integration": root, **root["$defs"]}
    for schema in sections.values():
        yield from (f"### {schema['title']}", "", schema["description"], "")
        found = list(rows(schema, root)) or list(inside(schema, root, "."))
        yield from table(HEAD, found)
        yield ""


def adapter_reference() -> Iterator[str]:
    loaded = plugins.load()
    found = {"source": loaded.sources, "enricher": loaded.enrichers, "vendor": loaded.vendors}
    for kind, name in SHIPPED:
        adapter: Any = found[kind][name]
        schema = adapter.config_schema
        yield from (f"## {name} ({kind})", "", adapter.summary, "")
        if kind == "enricher":
            yield from (f"Fields it can give: {', '.join(f'`{field}`' for field in adapter.provides) or 'any'}.", "")
        if kind == "vendor":
            more = [f"has {'' if has else 'no '}{what}" for what, has in
                    (("programs", adapter.has_programs), ("lists", adapter.has_lists))]  # fmt: skip
            keys = ", ".join([*(f"`{key}`" for key in adapter.keys), *["searchable fields"] * adapter.field_keys])
            yield from (f"Match keys: {keys}; {', '.join(more)}.", "")
        if adapter.secrets:
            names = ", ".join(f"`{key}`" for key in adapter.secrets)
            forms = "`{env: NAME}`, `{file: path}` or `{keyring: SERVICE/NAME}`"
            yield from (f"Secrets, to be given as {forms}: {names}.", "")
        listed = list(rows(schema, schema))
        yield from table(HEAD, listed) if listed else ("It has no settings.",)
        yield ""


# Failures ---------------------------------------------------------------------------------------------------------


def failure_codes() -> Iterator[str]:
    found = (
        (f"[{code.name}](failures/{code.name}.md)", code.meaning, codes.OWNERS[code.owner],
         "as it is" if code.retryable else "after the fix")
        for code in codes.CODES.values()
    )  # fmt: skip
    yield from table(("code", "meaning", "who fixes it", "a retry succeeds"), found)


def notice_codes() -> Iterator[str]:
    found = (
        (f"`{name}`", text, code_texts.NOTICE_ADVICE.get(name, "Nothing.")) for name, text in codes.NOTICES.items()
    )
    yield from table(("notice", "meaning", "what to do"), found)


def finding_codes() -> Iterator[str]:
    found = (
        (f"`{each.code}`", each.level, each.meaning, each.fix,
         f"`{each.wrong}` → `{each.right}`" if each.wrong else "")
        for each in findings.FINDINGS.values()
    )  # fmt: skip
    yield from table(("code", "level", "meaning", "what to do", "for example"), found)


def schema_files() -> Iterator[tuple[str, str]]:
    """The file name and the text of the schema of each kind of spec, with what the plugins here add to it."""
    loaded = plugins.load()
    for kind in (*specs.KINDS, *loaded.kinds):
        yield f"{kind}.json", editor_schemas.as_text(editor_schemas.editor_schema(kind, loaded))


def failure_pages() -> Iterator[tuple[str, str]]:
    """The file name and the text of the page of each failure code, with the codes of the vendors that are shipped."""
    vendors = plugins.load().vendors
    shipped = {name: vendors[name].codes for kind, name in SHIPPED if kind == "vendor"}
    for code in codes.CODES.values():
        yield f"{code.name}.md", code_pages.failure_page(code, shipped).markdown()


def lead_fields() -> Iterator[str]:
    yield ", ".join(f"`{name}`" for name in records.LEAD_FIELDS)


def log_fields() -> Iterator[str]:
    yield from table(("field", "meaning"), ((f"`{name}`", meaning) for name, meaning in logs.FIELDS.items()))


def metric_instruments() -> Iterator[str]:
    found = (
        (f"`{each.name}`", each.kind, f"`{each.unit}`", each.meaning,
         ", ".join(f"`{name.removeprefix('lead_engine.')}`" for name in each.attributes))
        for each in metrics.INSTRUMENTS
    )  # fmt: skip
    yield from table(("metric", "kind", "unit", "what it counts", "attributes (each `lead_engine.…`)"), found)


def metric_attributes() -> Iterator[str]:
    yield from table(("attribute", "meaning"), ((f"`{name}`", text) for name, text in metrics.ATTRIBUTES.items()))


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {
    "adapters": adapter_reference,
    "commands": commands,
    "exceptions": exceptions,
    "failures": failure_codes,
    "findings": finding_codes,
    "hooks": hooks,
    "interfaces": interfaces,
    "lead-fields": lead_fields,
    "log-fields": log_fields,
    "metric-attributes": metric_attributes,
    "metrics": metric_instruments,
    "notices": notice_codes,
    "specs": spec_reference,
    **generate_expressions.PARTS,
    **generate_providers.PARTS,
    **generate_sessions.PARTS,
    "provider-commands": lambda: commands("engine_enrichers"),
}


def page(text: str) -> str:
    """A page with its generated parts made anew."""

    def made(match: re.Match[str]) -> str:
        lines = "\n".join(PARTS[match[2]]()).strip()
        return f"{match[1]}\n{lines}\n\n{match[3]}"

    return _PART.sub(made, text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all pages, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name what is stale")
    check = parser.parse_args(arguments).check
    wanted = {path: page(path.read_text("utf-8")) for path in HERE.glob("*.md")}
    wanted.update({HERE / "failures" / name: text for name, text in failure_pages()})
    wanted.update({SCHEMAS / name: text for name, text in schema_files()})
    there = [*(HERE / "failures").glob("*.md"), *SCHEMAS.glob("*.json")]
    gone = {path: "" for path in there if path not in wanted}
    stale = []
    for path, text in sorted({**wanted, **gone}.items()):
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(path)
        if not check and path in gone:
            path.unlink()
        elif not check:
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text, "utf-8")
    for path in stale:
        name = f"docs/{path.relative_to(HERE)}" if path.is_relative_to(HERE) else f"specs/schemas/{path.name}"
        sys.stdout.write(f"{'stale' if check else 'written'}: {name}\n")
    if check and stale:
        sys.stdout.write("Run `python docs/generate.py`.\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
