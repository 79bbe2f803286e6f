"""The sandbox's switches: what Adobe's pages leave open or contradict, with what is likeliest, or else strictest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Name -> default. The README lists what else each can be.
DEFAULT_SWITCHES: Mapping[str, Any] = {
    # Values
    "email_validation": "strict",  # or lenient: any text is an address
    "import_email": "warning",  # or reject: an address that is none fails its row in an import
    "import_empty": "keep",  # or clear: an empty cell of an import clears the field
    "overlong": "reject",  # or truncate
    "string_booleans": "accept",  # or reject: only true and false of JSON
    "type_error_code": "1003",  # or 1001
    "null_projection": "explicit",  # or omit
    # Fields
    "field_case": "strict",  # or insensitive
    "unknown_field": "record",  # or response, or ignore
    "import_unknown_column": "response",  # or ignore, or failed: the import ends as Failed
    "read_only_write": "reject",  # or ignore
    "company_fields": "allow",  # or 1021
    "field_blocked_sources": (),  # fields whose updates are blocked, silently
    "member_standard_fields": "updateable",  # or read_only: acquiredBy and statusReason
    # Finding a lead
    "email_match": "insensitive",  # or exact: case and blanks count
    "custom_dedupe": "off",  # or email+FIELD, or email+partition: both must match
    "same_key": "sequential",  # or skip (1036), or duplicate: a key that is in a batch twice
    "missing_lookup": "1003",  # or 1002
    "multiple_text": "live",  # or table: as the table of errors words it
    "merged_id": "not_found",  # or winner: what the id of a merged lead stands for
    "read_after_write": 0,  # seconds until a new lead is found by a filter
    # Calls
    "query_token": "reject",  # or allow
    "too_many_records": "1003",  # or another code, or accept
    "filter_values": 300,  # or 100: the most that a filter takes
    "async_processing": "ignore",  # or empty: asyncProcessing answers no rows
    "push_failure": "skipped",  # or no_status: a failed row of Push Lead has reasons only
    "partition_required": False,  # or True: with several partitions one must be named (1009)
    "partition_denied": "response",  # or record: a partitionName that the client may not see (1008)
    # Programs
    "asset_missing": "warning",  # or 702
    "unknown_program": "1013",  # or 702
    "unknown_status": "response",  # or record
    "member_created": "created",  # or updated: what a new member's row says
    "legacy_status": "existing",  # or any: whom the superseded status call takes
    "unknown_batch": "1003",  # or 1013
    # The identity service
    "expires_in": None,  # or seconds: every token that is issued has so many left
}
