"""The sandbox's switches: what Pardot's pages leave open, or what differs between accounts; the likeliest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Name -> default. SANDBOX.md lists what else each can be.
DEFAULT_SWITCHES: Mapping[str, Any] = {
    # The account
    "latency": 0.0,  # seconds per call, {read: …, write: …, list: …, token: …}
    "daily": 25_000,
    "concurrency": 5,
    "allow_multiple_prospects": True,
    "crm_connector": False,
    # Signing in
    "client_credentials": True,  # or False: the domain of login.salesforce.com, which refuses them
    "token_lifetime": 7200.0,  # seconds without use
    "rotate_refresh_token": False,
    "refuse_concurrent_refresh": True,
    "busy_text": "new",  # or old: the text before September 2024
    "jwt_lifetime": 300.0,  # the most seconds that an assertion may be good for
    "authorize": "redirect",  # or page: people decide; or deny
    # How refusals look
    "auth_error_format": "json",  # or xml
    "unit_status": 403,  # or 400: code 201
    "limit_status": 429,  # or 400, 403, v4: codes 66 and 122
    "permission_code": "46",  # or 49
    "permission_status": 405,  # or 403
    "count_refused": True,  # or False: a call refused by 66 is not one of the day's
    "api_usage": "{used}/{allowed}",  # the text of x-api-usage
    # Prospects
    "duplicate_code": "9",  # or 54
    "unknown_record": "109",  # or 192, 3
    "missing_property": "153",  # or 13, 36, 4
    "value_code": "154",  # or typed: 16, 29, 50, 56, 57 by the type
    "upsert_create_status": 200,  # or 201
    "upsert_order": "activity",  # or updated
    "upsert_reads": "live",  # or lagged: its look-up reads as late as other reads
    "upsert_without_fields": "nothing",  # or empty: {}; or id
    "match_email_missing": "use",  # the prospect's email; or reject
    "deleted_search_default": False,
    "email_case_sensitive": False,
    "email_spaces": "reject",  # or trim: blanks around an address
    "long_tld": "reject",  # or accept: more than 13 letters after the last dot
    "read_lag": 0.0,
    "several_values": "omit",  # or reject: a query that names a field with several values
    "query_records": 100_000,  # how many records a query tells before its pages end
    # Values
    "unlisted_option": "accept",  # or reject, drop
    "bad_custom_value": "reject",  # or drop
    "too_long": "cut",  # or reject, store
    "empty_text": "clear",  # or ignore, store
    "null_value": "clear",  # or ignore, reject
    "multi_value": "both",  # or list, text: how several values are written
    "opted_out": "write",  # or reject, drop: as in version 4
    # Lists
    "unknown_list": "55",  # or 236, 192
    "unknown_member": "3",  # or 192
    "dynamic_list": "55",  # or another code, or accept
    "repeated_member": "58",  # or accept: version 4 takes it silently
    # Imports
    "import_status_case": "title",  # or lower
    "import_create_status": 201,  # or 200
    "import_with_file": "ready",  # or open: only PATCH submits it
    "import_bad_header": "response",  # or failed: the import ends as Failed
    "import_order": "file",  # or shuffled
    "import_same_key": "sequential",  # or duplicate: rows of one import do not see each other's prospects
    "import_no_match": "error",  # or silent: a row that may not create and matches nobody is passed over
    "import_blank": "clear",  # or blank: only a cell with a blank clears, an empty one never does
    "import_errors": "after",  # or before, numbered: where the error file says why
    "import_error_column": "error",
    "import_state_code": "155",  # what is refused because of the import's state
    "import_file_code": "157",  # no file, or no row in it
    "import_size_code": "161",
    "import_expired_code": "163",
}
