"""What the failure codes and notices say at length: typical causes, an example, and the commands to type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: A command and what it is for.
Command = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Text:
    """The long text of one code. `stage` and `message` are those of an example; `commands` come before the retry."""

    causes: tuple[str, ...]
    stage: str = ""
    message: str = ""
    commands: tuple[Command, ...] = ()
    last: Command | None = None


_CHECK: Command = ("engine check --live expo.yaml", "compare the spec with what the vendor has now")
_DOCTOR: Command = ("engine doctor expo.yaml", "examine the connection, point by point")
_VERIFY: Command = ("engine verify LEAD", "read a cleared lead back, field by field")
_AGAIN: Command = ("engine run expo.yaml", "read the corrected source")


def _ignore(code: str) -> Command:
    return f"engine reconcile ignore --group {code}", "after the correction: leave the old captures aside"


TEXTS: Mapping[str, Text] = {
    "UNREADABLE_ROW": Text(
        ("A line of the file has more or fewer cells than the header.",
         "A quotation mark is opened and never closed, so that several lines run together.",
         "A line of a JSON Lines file is no JSON object."),
        "capture", "leads.csv:41: 9 cells, the header has 7",
        (_AGAIN,), _ignore("UNREADABLE_ROW"),
    ),
    "MISSING_REQUIRED_VALUE": Text(
        ("The badge held no company or no last name, and nobody typed it in.",
         "The column has another name than usual and is not named under `source: columns`.",
         "`required` in the spec asks for more than the vendor needs."),
        "capture", "leads.csv:4: no company",
        (_AGAIN,),
        ("engine reconcile retry --group MISSING_REQUIRED_VALUE", "where `required` was changed, not the data"),
    ),
    "MISSING_MATCH_KEY": Text(
        ("The badge held no email address, and no enrichment step found one.",
         "The matching rules name a lead field that this source does not fill."),
        "map", "the lead has no lead_id or email to match by",
        (("engine run expo.yaml", "read the completed source, or go on with a new enrichment step"),),
    ),
    "DATA_VALUE_VALIDATION": Text(
        ("A text is longer than the vendor's field. `too_long: truncate` in the mapping cuts it and says so.",
         "An email address has a typing error.",
         "A number, a date or an option is written in another way than the field takes it.",
         "The vendor has a rule of its own for the field."),
        "map", "country: 'Norge' is not among the options of the field",
        (("engine fields expo.yaml --search country", "type, length and options of the field"), _CHECK),
    ),
    "NO_TAG_MAPPING": Text(
        ("The badge scanner offers an answer that was added after the mapping was written.",
         "An answer is written differently in the export and in the mapping (`Cold` and `cold lead`)."),
        "map", "Lead Type: the answer 'Cold' has no option",
        (_CHECK,),
    ),
    "MISSING_REMOTE_FIELD": Text(
        ("The field's name is mistyped, or its label is written instead of its name for the API.",
         "The field was renamed, hidden or deleted at the vendor.",
         "The field is computed or kept by the vendor, and cannot be written."),
        "map", "the vendor has no field 'leadTyp'. Did you mean 'leadType'?",
        (("engine fields expo.yaml --writable --refresh", "the fields that can be written, read anew"), _CHECK),
    ),
    "CAMPAIGN_NOT_WRITABLE": Text(
        ("The id belongs to another instance, or to another kind of object.",
         "The program was archived or deleted after the spec was written.",
         "The API user may not see the workspace that the program or list is in."),
        "map", "program 1170 does not exist or takes no members",
        (_CHECK, _DOCTOR),
    ),
    "INVALID_CAMPAIGN_STATUS": Text(
        ("The status belongs to another channel than the program's.",
         "The status is written differently (`Registred`, or in another language)."),
        "map", "program 1107 (Expo 2026) has no status 'Registred'. Did you mean 'Registered'?",
        (_CHECK,),
    ),
    "AMBIGUOUS_MATCH": Text(
        ("Two people share one address, such as that of an office.",
         "An import or a form made duplicates at the vendor.",
         "Several workspaces hold the same person."),
        "match", "ada@example.com is the key of several records (17, 204)",
    ),
    "ALREADY_EXISTS": Text(
        ("The matching rule says `action: create_only`, and the person is known at the vendor.",),
        "sync", "Marketo: Lead already exists (code 1005)",
        (("engine reconcile ignore --group ALREADY_EXISTS", "where the person is to stay as it is"),),
    ),
    "REMOTE_RECORD_GONE": Text(
        ("The person was deleted or merged into another at the vendor.",
         "The lead id in the source belongs to another instance.",
         "The person is in a workspace that the API user cannot see.",
         "The matching rule says `action: update_only`, and there is no such person.",
         "`engine verify` did not find the record of a cleared lead. A retry creates the person anew where the matching"
         " rules let it: ignore the lead where the person was deleted on purpose."),
        "sync", "no record has the lead_id 318",
    ),
    "AUTHENTICATION": Text(
        ("The client secret was changed, or copied with a blank at its end.",
         "The API user or its service was removed or made inactive at the vendor."),
        "sync", "the access token is not accepted any more",
        (_DOCTOR,),
    ),
    "CONNECTION_PERMISSION": Text(
        ("The role of the API user lacks a right.",
         "The record is in a partition or workspace that the API user may not write to.",
         "The vendor lets only listed network addresses in, and this machine's is not among them."),
        "sync", "Marketo: Access denied (code 603)",
        (_DOCTOR,),
    ),
    "RATE_OR_QUOTA": Text(
        ("Other systems use the same API at the same time.",
         "The calls of the day are used up; the vendor begins to count anew at its midnight."),
        "sync", "Marketo: Max rate limit '100' exceeded with in '20' secs (code 606)",
        (_DOCTOR,),
    ),
    "REMOTE_UNAVAILABLE": Text(
        ("The vendor has an outage, or is being maintained.",
         "A gateway or a firewall between here and the vendor ends calls early."),
        "sync", "given up after 10 attempts: HTTP 502",
        (_DOCTOR,),
    ),
    "UNKNOWN_OUTCOME": Text(
        ("The connection broke after the lead was sent, and the vendor could not be asked for it afterwards.",),
        "sync", "given up after 10 attempts: no answer within the time allowed",
        (_DOCTOR,),
    ),
    "VALUE_NOT_STORED": Text(
        ("The value is none of the field's predefined ones, or cannot be read as its type, and was dropped silently.",
         "A sync with the CRM or a rule at the vendor put another value back at once."),
        "sync", "Booth_Rating__c: sent 'Hot', stored ''",
        (_DOCTOR,),
    ),
    "REMOTE_VALUE_CHANGED": Text(
        ("`engine verify` read the record back, and somebody, a sync with the CRM or a rule at the vendor has put"
         " another value there since.",
         "Another system writes to the field too, and the mapping overwrites it each time."),
        "verify", "title: sent 'Head Buyer', held 'Buyer'",
        (_VERIFY,),
    ),
    "REMOTE_RECORD_MERGED": Text(
        ("`engine verify` did not find the record: it was merged into another one with the same address.",
         "The record was deleted, and the person came back by a form or an import."),
        "verify", "no record has the lead_id 318 any more; ada@example.com is that of 402",
        (_VERIFY,),
    ),
    "MEMBERSHIP_MISSING": Text(
        ("`engine verify` found that somebody, or a rule at the vendor, took the person out of the program or list.",
         "The program or list was deleted; a retry then says so.",
         "The person was taken out and put in again with an earlier status."),
        "verify", "program 1107: is 'Registered', was given 'Attended'",
        (_VERIFY,),
    ),
    "PLUGIN_ERROR": Text(
        ("A vendor plugin, an enricher or a filter has a fault that this lead shows.",
         "A plugin was written for another version of the engine."),
        "map", "the mapping broke on this lead: ZeroDivisionError('division by zero')",
        (("engine plugins", "what is installed, and what is broken"),),
    ),
    "UNKNOWN": Text(
        ("The vendor has a new code, or uses a known one for a new purpose.",
         "The vendor left the lead aside for a reason that it does not tell."),
        "sync", "Marketo: Lead skipped (code 1037)",
        (("engine explain 1037", "what is known of a vendor's own code"),),
    ),
}  # fmt: skip

#: What to do about a notice; its meaning stands in `engine.codes.NOTICES`.
NOTICE_ADVICE: Mapping[str, str] = {
    "MATCH_CONFLICT": "Look at both records at the vendor; merge them where they are one person, or correct the id or "
    "the address in the source.",
    "RECORD_ID_GONE": "Nothing, where the record was deleted or merged on purpose; else restore it at the vendor.",
    "VALUE_TRUNCATED": "Nothing, or make the field longer at the vendor, or shorten the text in the expression.",
    "CONSENT_KEPT": "Nothing; or map the field with `when`, so that it is written only where it opts somebody out.",
    "RECORD_ID_CHANGED": "Merge the records that share the key, or match by the record's id first.",
    "DUPLICATES_RESOLVED": "Merge the duplicates at the vendor; until then the one that was changed last is written.",
    "IMPORT_WARNING": "Read the vendor's message with the lead; the lead itself was imported.",
}
