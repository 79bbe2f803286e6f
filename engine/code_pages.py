"""The page of a code: of a failure, a notice, a finding, or of a vendor's own. The docs and the terminal show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.code_texts import NOTICE_ADVICE, TEXTS, Command
from engine.codes import CODES, NOTICES, OWNERS, Code, Level, Recovery, VendorCode
from engine.codes import code as code_called
from engine.findings import FINDINGS, Finding

#: The vendors' codes by the name of the vendor.
VendorCodes = Mapping[str, Sequence[VendorCode]]

_RECOVERIES: Mapping[Recovery, str] = {
    "wait": "the same is sent again after a while",
    "sign_in": "the same is sent again with a new token",
    "look_up": "whether it took effect is unknown, so the record is read back first",
    "divide": "the batch is divided until the record at fault stands alone",
    "fix": "the lead fails until somebody changes data or configuration",
    "stop": "the run ends; the next one needs somebody to act first, or a day's quota to be given anew",
    "done": "it counts as done",
}
_LEVELS: Mapping[Level, str] = {"call": "a whole call", "record": "one record", "both": "a whole call or one record"}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page, with one kind of content: points, commands, lines as they are printed, or a table."""

    title: str = ""
    points: Sequence[str] = ()
    commands: Sequence[Command] = ()
    printed: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What is known of a code: a sentence, then sections."""

    name: str
    meaning: str
    sections: Sequence[Section]

    def markdown(self) -> str:
        """The page as Markdown, without generated marks, ending in a line break."""
        return "\n".join([f"# {self.name}", "", self.meaning, "", *_markdown(self.sections)]).rstrip() + "\n"


def failure_page(code: Code, vendors: VendorCodes) -> Page:
    """The page of a failure code; `vendors` says which of their codes become it."""
    summary = Section(
        points=(
            f"Who fixes it: {OWNERS[code.owner]}",
            f"What to do: {code.fix}",
            f"Retry: {'can succeed as it is' if code.retryable else 'only after the fix'}",
        )
    )
    text = TEXTS.get(code.name)
    sections = [summary]
    if text is not None:
        sections.append(Section("Typical causes", points=text.causes))
        sections.append(Section("What `engine reconcile show` prints, for example", printed=_example(code)))
    become: dict[tuple[str, str, str], list[str]] = {}
    for vendor, own in _each(vendors):
        if own.failure == code.name:
            become.setdefault((vendor, own.meaning, _answers(own)), []).append(f"`{own.code}`")
    rows = [(vendor, ", ".join(found), meaning, answers) for (vendor, meaning, answers), found in become.items()]
    if rows:
        head = ("vendor", "code", "meaning", "answers")
        sections.append(Section("Vendor codes that become it", head=head, rows=rows))
    retry = (f"engine reconcile retry --group {code.name}", "send the group again, with the spec as it is now")
    commands = (
        (f"engine reconcile list --group {code.name}", "the leads that failed with it"),
        ("engine reconcile show LEAD", "everything about one lead"),
        *(text.commands if text else ()),
        text.last or retry if text else retry,
    )
    return Page(code.name, code.meaning, [*sections, Section("Commands", commands=commands)])


def notice_page(name: str) -> Page:
    """The page of a notice: the lead goes on nevertheless."""
    points = ("Kind: a notice; the lead goes on", f"What to do: {NOTICE_ADVICE.get(name, 'Nothing.')}")
    commands = (("engine reconcile show LEAD", "everything about one lead"),)
    return Page(name, NOTICES[name], [Section(points=points), Section("Commands", commands=commands)])


def finding_page(finding: Finding) -> Page:
    """The page of a kind of finding that `engine check` has."""
    kind = "an error; no run starts with it" if finding.level == "error" else "a warning; a run starts all the same"
    sections = [Section(points=(f"Kind: {kind}", f"What to do: {finding.fix}"))]
    if finding.wrong:
        width = max(len(finding.wrong), len(finding.right))
        lines = (f"{finding.wrong:<{width}}   # wrong", f"{finding.right:<{width}}   # right")
        sections.append(Section("For example", printed=lines))
    commands = (("engine check expo.yaml", "see whether it is gone"),)
    return Page(finding.code, finding.meaning, [*sections, Section("Commands", commands=commands)])


def vendor_page(vendor: str, owns: Sequence[VendorCode], codes: Mapping[str, Code] = CODES) -> Page:
    """The page of a vendor's own code: of its one meaning, or of all that the vendor's message tells apart."""
    failures = [code_called(name, codes) for name in dict.fromkeys(own.failure for own in owns) if name]
    more = [(f"engine explain {code.name}", "who fixes it, typical causes, the commands to type") for code in failures]
    commands = [Section("Commands", commands=more)] if more else []
    name = f"{vendor} {owns[0].code}"
    if len(owns) > 1:
        rows = [(own.meaning, _answers(own), _done(own), own.failure or "none") for own in owns]
        listed = Section(head=("meaning", "answers", "what is done", "failure code"), rows=rows)
        return Page(name, "It has several meanings, which the vendor's message tells apart.", [listed, *commands])
    own = owns[0]
    points = [f"Answers: {_answers(own)}", f"What is done: {_done(own)}"]
    for code in failures:
        points += [f"Failure code of a lead that ends with it: {code.name}. {code.meaning}", f"Then: {code.fix}"]
    return Page(name, own.meaning, [Section(points=points), *commands])


def _answers(own: VendorCode) -> str:
    return _LEVELS[own.level] + (f" ({own.endpoint})" if own.endpoint else "")


def _done(own: VendorCode) -> str:
    wait = f" ({own.after:g} seconds)" if own.recovery == "wait" and own.after is not None else ""
    return _RECOVERIES[own.recovery] + wait


def pages(name: str, vendors: VendorCodes, codes: Mapping[str, Code] = CODES) -> list[Page]:
    """The pages of the codes called `name`, in any case: of a failure or a notice one, of vendors one for each.

    codes: the failure codes that are known, plugins' own among them.
    """
    called = name.upper()
    if called in codes:
        return [failure_page(codes[called], vendors)]
    if called in NOTICES:
        return [notice_page(called)]
    if name.lower() in FINDINGS:
        return [finding_page(FINDINGS[name.lower()])]
    found = {vendor: [own for own in codes if own.code.upper() == called] for vendor, codes in sorted(vendors.items())}
    return [vendor_page(vendor, owns, codes) for vendor, owns in found.items() if owns]


def names(vendors: VendorCodes, codes: Mapping[str, Code] = CODES) -> list[str]:
    """All codes that have a page, each once."""
    return list(dict.fromkeys([*codes, *NOTICES, *FINDINGS, *(own.code for _, own in _each(vendors))]))


def _each(vendors: VendorCodes) -> Iterator[tuple[str, VendorCode]]:
    return ((vendor, own) for vendor, codes in sorted(vendors.items()) for own in codes)


def _example(code: Code) -> tuple[str, ...]:
    text = TEXTS[code.name]
    return (
        f"failed 2026-11-23 14:26:23 in {text.stage}: {code.name}",
        f"  {text.message}",
        f"  {code.meaning} Fix ({code.owner}): {code.fix}",
    )


def _markdown(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        if section.title:
            yield from (f"## {section.title}", "")
        if section.points:
            yield from (*(f"- {point}" for point in section.points), "")
        if section.printed:
            yield from ("```text", *section.printed, "```", "")
        if section.commands:
            yield from ("```sh", *aligned(section.commands), "```", "")
        if section.rows:
            yield from (f"| {' | '.join(section.head)} |", f"|{'---|' * len(section.head)}")
            yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in section.rows)
            yield ""


def aligned(commands: Sequence[Command]) -> list[str]:
    """Commands with what they are for, as comments of one column."""
    width = max(len(command) for command, _ in commands)
    return [f"{command:<{width}}   # {purpose}" for command, purpose in commands]
