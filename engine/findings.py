"""The finding codes: what can be wrong with a spec, what each means, what to do. `engine explain CODE` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.errors import Level


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of finding. `wrong` and `right` are lines of a spec, as they are and as they should be."""

    code: str
    meaning: str
    fix: str
    wrong: str = ""
    right: str = ""
    level: Level = "error"


def _table(*findings: Finding) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings}


FINDINGS: dict[str, Finding] = _table(
    # The file
    Finding("unreadable-file", "A file cannot be read: it is not there, is no UTF-8 text, or is too large.",
            "Correct the path, or save the file as UTF-8.", "mapping: maping.yaml", "mapping: mapping.yaml"),
    Finding("yaml-syntax", "The file is no YAML.",
            "Indent with spaces, quote texts with a # or a colon in them, and write each key once.",
            "name: expo: the spec", 'name: "expo: the spec"'),
    Finding("wrong-kind", "The file is no spec of the kind that is wanted here.",
            "Name the right file; `engine schema KIND` shows what a kind holds."),
    Finding("wrong-version", "The spec is written for another version of the format, or names none.",
            "`engine migrate` brings an older spec up to date; a newer one needs a newer engine.",
            "version: 2", "version: 1"),
    # Its form
    Finding("unknown-key", "A key is not known here.", "Correct its name, or move it to where it belongs.",
            "mappings: {…}", "mapping: {…}"),
    Finding("missing-key", "A key that must be there is missing.", "Add it.",
            "destination: {config: {…}}", "destination: {use: marketo, config: {…}}"),
    Finding("wrong-type", "A value is of another type than the key takes.",
            "Write the type that is named: a text, a number, true or false, a list, or a mapping.",
            "min_scans: two", "min_scans: 2"),
    Finding("wrong-value", "A value is not among those that the key takes.", "Write one of those that are named.",
            "write: if_empty", "write: if_blank"),
    Finding("double-choice", "Of several keys that exclude each other, all are there, or none.",
            "Write exactly one of them."),
    Finding("wrong-provider-file", "A provider file says something that cannot be so.",
            "Correct it as the message says; docs/providers.md describes the files."),
    # Names
    Finding("unknown-adapter", "There is no source, enricher or vendor of this name.",
            "Correct the name, or install the plugin; `engine plugins` shows what is there.",
            "use: marketto", "use: marketo"),
    Finding("unknown-setting", "The adapter has no setting of this name.", "Correct its name; see docs/adapters.md.",
            "config: {cilent_id: …}", "config: {client_id: …}"),
    Finding("missing-setting", "A setting that the adapter needs is missing.", "Add it under `config`."),
    Finding("wrong-setting", "A setting has a value that the adapter does not take.",
            "Write a value of the form that is named.", "limits: {calls: many}", "limits: {calls: 50}"),
    Finding("secret-in-spec", "A secret stands in the spec, where everybody can read it who can read the file.",
            "Refer to it: {env: NAME}, {file: path} or {keyring: SERVICE/NAME}; and have the one that was written"
            " here replaced.", "client_secret: 7f3a…", "client_secret: {env: MARKETO_CLIENT_SECRET}"),
    Finding("unknown-lead-field", "There is no lead field of this name.",
            "Correct the name, or make it a field by `source.columns`.", "lead.frist_name", "lead.first_name"),
    Finding("unknown-qualifier", "The source has no qualifier of this name.",
            "Correct the name, or add the qualifier under `source.qualifiers`."),
    Finding("unknown-filter", "There is no filter of this name.",
            "Correct the name; docs/expressions.md lists the filters.", "lead.city | titel", "lead.city | title"),
    Finding("unknown-table", "The mapping has no lookup table of this name, or the table cannot be read.",
            "Add it under `mapping.tables`, or correct its file or columns.",
            "lead.country | lookup('region')", "lead.country | lookup('regions')"),
    Finding("unknown-step", "No step of the waterfall has this label.", "Name a step that is there."),
    Finding("unknown-code", "There is no failure code of this name.",
            "Correct the name; `engine explain` lists the codes.", "codes: [NO_TAG_MAPING]", "codes: [NO_TAG_MAPPING]"),
    Finding("unknown-name", "A name in an expression means nothing.",
            "Write lead.NAME for a field, and quotes around a text.", "firstName: first_name",
            "firstName: lead.first_name"),
    # Expressions
    Finding("expression-syntax", "An expression is not understood.",
            "Write a bare expression, without braces; a text in it stands in quotes.",
            'firstName: "{{ lead.first_name }}"', "firstName: lead.first_name"),
    Finding("filter-arguments", "A filter is given arguments that it does not take.",
            "See its form in docs/expressions.md.", "lead.city | truncate", "lead.city | truncate(40)"),
    Finding("forbidden-expression", "An expression does what no expression may: calls, loops, hidden names, or results"
            " of any size.", "Use lead fields, qualifiers, constants, filters and operators only."),
    # What does not fit together
    Finding("written-twice", "Two rows write one field of the vendor.", "Remove one of them."),
    Finding("missing-match-field", "The mapping does not write the field that leads are found or created by.",
            "Add a row for it, as in `email: lead.email`."),
    Finding("unreachable-rule", "A matching rule is never tried, because one before it always decides.",
            "Remove it, or move it to the front.", level="warning"),
    Finding("stands-twice", "Something stands twice that can be there once: a key, a matching rule, a label.",
            "Remove one, or give it another name."),
    Finding("no-target", "Something that has to lead somewhere leads nowhere: an option without a value, a program"
            " without a status.", "Give the option, the status or the field that is meant.",
            "options: {Hot: A, Warm: ''}", "options: {Hot: A, Warm: B}"),
    Finding("unused-qualifier", "The source reads a qualifier that no row of the mapping uses.",
            "Map it, or remove it from `source.qualifiers`.", level="warning"),
    Finding("missing-separator", "Several answers may be written, but the source reads them as one.",
            "Say what stands between them, in `source.qualifiers`.", "Interests: Interests",
            'Interests: {column: Interests, separator: ";"}', level="warning"),
    Finding("adapter-cannot", "The vendor or enricher cannot do what the spec asks for.",
            "Remove it, or use what is named."),
    Finding("contradiction", "Two settings exclude each other.", "Remove one of them."),
    Finding("unsafe-address", "People's data would travel in the clear, or a port does not exist.",
            "Give an https address and a port up to 65535."),
    # What only the vendor knows
    Finding("unknown-vendor-field", "The vendor has no field of this name.",
            "Correct the name; `engine fields` shows the names that a mapping uses."),
    Finding("closed-vendor-field", "The vendor's field cannot be written.", "Remove the row, or write another field."),
    Finding("unsearchable-field", "The vendor finds nobody by this field.",
            "Match by one of the keys that are named, or by a field that `engine fields` shows as searchable."),
    Finding("wrong-field-type", "The vendor's field takes values of another type than the row gives.",
            "Change the expression or the `type` of the row, or write another field.",
            "eventScore: lead.company", "eventScore: lead.scans"),
    Finding("too-long-for-field", "The row gives texts that are longer than the vendor's field.",
            "Use `too_long: truncate`, or a smaller number in the filter.", level="warning"),
    Finding("value-refused", "A fixed value or an option does not fit the vendor's field.",
            "Write a value that the field takes; for a list of options, one of them, written exactly so."),
    Finding("unknown-program", "The vendor has no program with this id.",
            "Correct the id, or let the API user see the program."),
    Finding("closed-program", "The program takes no members.", "Restore it at the vendor, or name another."),
    Finding("unknown-status", "The program has no such member status.",
            "Write a status of the program's channel, exactly as there.", "status: registered", "status: Registered"),
    Finding("unknown-list", "The vendor has no list with this id.",
            "Correct the id, or let the API user see the list."),
    Finding("old-catalog", "The saved catalog does not know something that the spec names, or is of another vendor.",
            "Save it again: `engine fields SPEC --save FILE`.", level="warning"),
)  # fmt: skip
