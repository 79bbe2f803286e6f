"""The schema of the state, as named and ordered migrations. Every table and column is commented in the SQL itself."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

migrations = Migrations("lead-engine")

#: Marks a SQLite file as ours ("LEAD").
APPLICATION_ID = 0x4C454144


@migrations()
def m001_initial(db: Database) -> None:
    _execute(db, _INITIAL)


@migrations()
def m002_places_notices_imports(db: Database) -> None:
    _execute(db, _PLACES_NOTICES_IMPORTS)


@migrations()
def m003_waterfall(db: Database) -> None:
    _execute(db, _WATERFALL)


@migrations()
def m004_reconciliation(db: Database) -> None:
    _execute(db, _RECONCILIATION)


@migrations()
def m005_notifications(db: Database) -> None:
    _execute(db, _NOTIFICATIONS)


def _execute(db: Database, script: str) -> None:
    statement = ""
    for line in script.splitlines(keepends=True):  # executescript would end the migration's transaction
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


_INITIAL = """
CREATE TABLE integrations (             -- one row for each integration that ever ran on this state
    id INTEGER PRIMARY KEY,             -- short form of the name, used in all other tables
    name TEXT NOT NULL UNIQUE           -- the spec's `name`
) STRICT;

CREATE TABLE runs (                     -- one row for each `engine run` or retry
    id TEXT PRIMARY KEY,                -- shown to people, sorts by time
    integration_id INTEGER NOT NULL REFERENCES integrations,
    spec_path TEXT NOT NULL,            -- where the spec was read, so that a retry can read it again
    spec_digest TEXT NOT NULL,          -- of the spec and all it refers to
    account TEXT NOT NULL,              -- the remote account that it wrote to
    source TEXT NOT NULL,               -- what was captured from, for people
    status TEXT NOT NULL,               -- running, done, interrupted or aborted
    started_at REAL NOT NULL,           -- Unix time
    ended_at REAL,                      -- Unix time
    exit_code INTEGER,                  -- as the command line returned it
    rows INTEGER NOT NULL DEFAULT 0,    -- rows read from the source
    known_rows INTEGER NOT NULL DEFAULT 0, -- of these, rows that had been captured before
    message TEXT NOT NULL DEFAULT ''    -- why the run was aborted
) STRICT;

CREATE TABLE captures (                 -- one row for each distinct row of a source; never changed
    id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL REFERENCES integrations,
    digest INTEGER NOT NULL,            -- 64 bits of the row and of how often it occurred before in the same reading
    lead_id INTEGER NOT NULL REFERENCES leads,
    run_id TEXT NOT NULL REFERENCES runs,
    source TEXT NOT NULL,               -- file name or "standard input"
    line INTEGER NOT NULL,              -- first line of the row, from 1
    raw TEXT NOT NULL                   -- the row as read, JSON by column
) STRICT;
CREATE INDEX captures_by_digest ON captures (digest);
CREATE INDEX captures_by_lead ON captures (lead_id);

CREATE TABLE leads (                    -- the queue: one small row for each lead, changed at every step
    id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL REFERENCES integrations,
    key TEXT NOT NULL,                  -- identity: remote id, email, badge or name, with its kind in front
    key_hash INTEGER NOT NULL,          -- 64 bits of the key: a small index, for it is written in random order
    status TEXT NOT NULL,               -- see engine.state.queue
    not_before REAL NOT NULL DEFAULT 0, -- Unix time before which nothing is done with it
    attempts INTEGER NOT NULL DEFAULT 0, -- sendings of the present delivery
    rule INTEGER NOT NULL DEFAULT 0,    -- which of the delivery's matching keys is tried
    stale INTEGER NOT NULL DEFAULT 0,   -- 1: captured again while in flight, so it starts over when it lands
    released INTEGER NOT NULL DEFAULT 0, -- 1: let go by a person although the sync mode is manual
    delivery_id INTEGER,                -- the delivery to be sent, or sent last
    sent_digest BLOB                    -- of the values that the vendor holds, so that nothing is sent twice
) STRICT;
CREATE INDEX leads_by_key ON leads (key_hash);
CREATE INDEX leads_by_status ON leads (integration_id, status, id);
CREATE INDEX leads_stale ON leads (id) WHERE stale = 1;

CREATE TABLE profiles (                 -- what is known of a lead
    lead_id INTEGER PRIMARY KEY REFERENCES leads,
    data TEXT NOT NULL                  -- JSON: fields, qualifiers, scans by event, and what people edited
) STRICT;

CREATE TABLE enriched_values (          -- where each enriched value came from
    lead_id INTEGER NOT NULL REFERENCES leads,
    field TEXT NOT NULL,
    provider TEXT NOT NULL,
    value TEXT NOT NULL,                -- JSON
    replaced TEXT,                      -- JSON of the captured value of which this is the normal form
    confidence REAL NOT NULL,           -- 0 to 1
    cost REAL NOT NULL,                 -- in the provider's credits
    at REAL NOT NULL,                   -- Unix time
    PRIMARY KEY (lead_id, field, provider)
) STRICT, WITHOUT ROWID;

CREATE TABLE enrichment_steps (         -- how each step of the waterfall ended for a lead
    lead_id INTEGER NOT NULL REFERENCES leads,
    step INTEGER NOT NULL,              -- its place in the waterfall, from 0
    provider TEXT NOT NULL,
    outcome TEXT NOT NULL,              -- hit, miss, skipped, suppressed, error
    detail TEXT NOT NULL,
    at REAL NOT NULL,                   -- Unix time
    PRIMARY KEY (lead_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE paid_calls (               -- the ledger: written before the call, settled after it
    id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    request BLOB NOT NULL,              -- digest of what was asked
    run_id TEXT NOT NULL REFERENCES runs,
    state TEXT NOT NULL,                -- open (in flight), pending, answered, unanswered (possibly charged), void
    answer TEXT,                        -- JSON
    cost REAL NOT NULL DEFAULT 0,       -- in the provider's credits
    opened_at REAL NOT NULL,            -- Unix time
    settled_at REAL,                    -- Unix time
    expires_at REAL                     -- Unix time until which the answer may be used again
) STRICT;
CREATE INDEX paid_calls_by_request ON paid_calls (provider, request);

CREATE TABLE deliveries (               -- what the mapping made of a lead; never changed
    id INTEGER PRIMARY KEY,
    lead_id INTEGER NOT NULL REFERENCES leads,
    run_id TEXT NOT NULL REFERENCES runs,
    spec_digest TEXT NOT NULL,
    payload TEXT NOT NULL               -- JSON: fields, values for blank fields, matching keys, memberships
) STRICT;
CREATE INDEX deliveries_by_lead ON deliveries (lead_id);

CREATE TABLE outcomes (                 -- what the vendor answered, one row for each sending
    id INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL REFERENCES deliveries,
    run_id TEXT NOT NULL REFERENCES runs,
    what TEXT NOT NULL,                 -- person, or "program ID status"
    status TEXT NOT NULL,               -- created, updated, satisfied, failed, missing, unknown, later
    matched_by TEXT NOT NULL,           -- the matching key that was used
    remote_id TEXT,
    answer TEXT,                        -- JSON of the vendor's answer for this record, without secrets
    at REAL NOT NULL                    -- Unix time
) STRICT;
CREATE INDEX outcomes_by_delivery ON outcomes (delivery_id);

CREATE TABLE memberships (              -- a lead's places in programs
    lead_id INTEGER NOT NULL REFERENCES leads,
    program_id TEXT NOT NULL,
    status TEXT NOT NULL,
    state TEXT NOT NULL,                -- wanted or done
    PRIMARY KEY (lead_id, program_id, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (                 -- why leads failed, with history
    id INTEGER PRIMARY KEY,
    lead_id INTEGER NOT NULL REFERENCES leads,
    run_id TEXT NOT NULL REFERENCES runs,
    stage TEXT NOT NULL,                -- capture, enrich, map, match or sync
    code TEXT NOT NULL,                 -- see engine.codes
    vendor_code TEXT NOT NULL,
    field TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    message TEXT NOT NULL,
    at REAL NOT NULL,                   -- Unix time
    ignored_because TEXT,               -- why a person chose to leave it
    resolved_at REAL                    -- Unix time; empty while it is the reason for the lead's status
) STRICT;
CREATE INDEX failures_by_lead ON failures (lead_id);
CREATE INDEX failures_open ON failures (code) WHERE resolved_at IS NULL;

CREATE TABLE remote_ids (               -- which remote record a person is, by remote account, for all integrations
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    key TEXT NOT NULL,                  -- the lead's key
    key_hash INTEGER NOT NULL,          -- 64 bits of the key
    remote_id TEXT NOT NULL,
    at REAL NOT NULL                    -- Unix time
) STRICT;
CREATE INDEX remote_ids_by_key ON remote_ids (key_hash);

CREATE TABLE suppressions (             -- people who must never be captured again
    digest BLOB PRIMARY KEY,            -- of the normalised email address
    reason TEXT NOT NULL,
    at REAL NOT NULL                    -- Unix time
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (                    -- the vendor calls of the present rate window
    account TEXT NOT NULL,
    at REAL NOT NULL                    -- Unix time
) STRICT;
CREATE INDEX calls_by_account ON calls (account, at);

CREATE TABLE quotas (                   -- vendor calls by day
    account TEXT NOT NULL,
    day TEXT NOT NULL,                  -- of the vendor's quota, YYYY-MM-DD
    calls INTEGER NOT NULL,             -- by anybody, as far as the vendor told
    PRIMARY KEY (account, day)
) STRICT, WITHOUT ROWID;
"""

_PLACES_NOTICES_IMPORTS = """
ALTER TABLE memberships ADD COLUMN kind TEXT /* program or list, whose id is program_id */ NOT NULL DEFAULT 'program';
ALTER TABLE memberships ADD COLUMN data TEXT /* JSON: the member's own fields */ DEFAULT NULL;
ALTER TABLE failures ADD COLUMN pattern TEXT /* message without what differs by lead */ NOT NULL DEFAULT '';
CREATE INDEX memberships_wanted ON memberships (lead_id) WHERE state = 'wanted';

CREATE TABLE notices (                  -- what people should know of leads that go on nevertheless
    id INTEGER PRIMARY KEY,
    lead_id INTEGER NOT NULL REFERENCES leads,
    run_id TEXT NOT NULL REFERENCES runs,
    code TEXT NOT NULL,                 -- groups notices of one kind
    field TEXT NOT NULL,
    message TEXT NOT NULL,
    at REAL NOT NULL                    -- Unix time
) STRICT;
CREATE INDEX notices_by_lead ON notices (lead_id);
CREATE INDEX notices_by_run ON notices (run_id, code);

CREATE TABLE catalog (                  -- what a remote account was last seen to have, read again when it is old
    account TEXT NOT NULL,
    kind TEXT NOT NULL,                 -- fields, member_fields, program or list
    name TEXT NOT NULL,                 -- id of the program or list; empty for fields
    content TEXT NOT NULL,              -- JSON; null: there is none
    at REAL NOT NULL,                   -- Unix time of the reading; below zero once it is in doubt
    PRIMARY KEY (account, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE pauses (                   -- remote accounts that take no calls for a while
    account TEXT PRIMARY KEY,
    until REAL NOT NULL,                -- Unix time
    why TEXT NOT NULL                   -- as the vendor put it, for people
) STRICT, WITHOUT ROWID;

CREATE TABLE imports (                  -- files handed to a vendor's bulk import
    id INTEGER PRIMARY KEY,
    integration_id INTEGER NOT NULL REFERENCES integrations,
    run_id TEXT NOT NULL REFERENCES runs,
    account TEXT NOT NULL,
    what TEXT NOT NULL,                 -- person, or "program ID status"
    ticket TEXT NOT NULL,               -- the vendor's name for it
    state TEXT NOT NULL,                -- queued, running, done, failed
    submitted_at REAL NOT NULL,         -- Unix time
    poll_at REAL NOT NULL,              -- Unix time before which it is not asked for again
    leads TEXT NOT NULL                 -- JSON: [lead id, delivery id] in the order of the file
) STRICT;
CREATE INDEX imports_open ON imports (integration_id) WHERE state IN ('queued', 'running');
"""

_WATERFALL = """
ALTER TABLE paid_calls ADD COLUMN fields TEXT /* JSON: the lead fields that the answer says all about */ DEFAULT NULL;
ALTER TABLE paid_calls ADD COLUMN floor REAL /* confidence below which nothing was asked for */ NOT NULL DEFAULT 0;
ALTER TABLE paid_calls ADD COLUMN outcome TEXT /* hit, miss, rejected, suppressed, error … */ NOT NULL DEFAULT '';
ALTER TABLE paid_calls ADD COLUMN amount INTEGER /* millionths of the currency; reserved while open */ DEFAULT 0;
ALTER TABLE paid_calls ADD COLUMN currency TEXT /* ISO 4217; empty where the price is not known */ NOT NULL DEFAULT '';
ALTER TABLE paid_calls ADD COLUMN ticket TEXT /* the provider's name of a pending answer */ NOT NULL DEFAULT '';
ALTER TABLE paid_calls ADD COLUMN lead_id INTEGER /* the lead that it was made for first */ DEFAULT NULL;
ALTER TABLE paid_calls ADD COLUMN day TEXT /* UTC, YYYY-MM-DD, whose budget it counts in */ NOT NULL DEFAULT '';
UPDATE paid_calls SET outcome = coalesce(json_extract(answer, '$.outcome'), '') WHERE state = 'answered';
CREATE INDEX paid_calls_unsettled ON paid_calls (provider) WHERE state IN ('open', 'pending');

CREATE TABLE spending (                 -- what budgets are held against: calls made or reserved
    period TEXT NOT NULL,               -- run ID or day YYYY-MM-DD (UTC)
    provider TEXT NOT NULL,             -- empty: all together
    calls INTEGER NOT NULL,             -- without those that had no effect
    amount INTEGER NOT NULL,            -- millionths of the currency, at the most that open calls can cost
    PRIMARY KEY (period, provider)
) STRICT, WITHOUT ROWID;

CREATE TABLE callbacks (                -- answers that providers posted
    provider TEXT NOT NULL,
    ticket TEXT NOT NULL,               -- the provider's name of the answer
    body TEXT NOT NULL,                 -- as posted, without secrets
    at REAL NOT NULL,                   -- Unix time
    PRIMARY KEY (provider, ticket)
) STRICT, WITHOUT ROWID;

CREATE TABLE callback_tokens (          -- the part of a provider's callback address that nobody can guess
    provider TEXT PRIMARY KEY,
    token TEXT NOT NULL                 -- as it stands in the address, for as long as the state lives
) STRICT, WITHOUT ROWID;

CREATE TABLE enrichment_refusals (      -- people of whom a provider said that they must not be processed
    digest BLOB PRIMARY KEY,            -- of an email address, a profile or a phone number
    provider TEXT NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL                    -- Unix time
) STRICT, WITHOUT ROWID;

ALTER TABLE enriched_values ADD COLUMN call_id INTEGER /* of paid_calls: the answer it came from */ DEFAULT NULL;
ALTER TABLE enriched_values ADD COLUMN status TEXT /* of an email address */ NOT NULL DEFAULT '';
ALTER TABLE enriched_values ADD COLUMN verifier TEXT /* who judged it */ NOT NULL DEFAULT '';
ALTER TABLE enriched_values ADD COLUMN path TEXT /* where in the answer it stood */ NOT NULL DEFAULT '';

CREATE TABLE rejected_values (          -- values that were offered and not taken
    lead_id INTEGER NOT NULL REFERENCES leads,
    position INTEGER NOT NULL,          -- order within the lead's last enrichment, from 0
    field TEXT NOT NULL,
    provider TEXT NOT NULL,
    value TEXT NOT NULL,                -- JSON
    confidence REAL NOT NULL,           -- 0 to 1
    reason TEXT NOT NULL,
    call_id INTEGER,                    -- of paid_calls
    at REAL NOT NULL,                   -- Unix time
    PRIMARY KEY (lead_id, position)
) STRICT, WITHOUT ROWID;

ALTER TABLE enrichment_steps ADD COLUMN cost REAL /* in the provider's credits */ NOT NULL DEFAULT 0;
ALTER TABLE enrichment_steps ADD COLUMN call_id INTEGER /* of paid_calls */ DEFAULT NULL;
ALTER TABLE enrichment_steps ADD COLUMN known INTEGER /* 1: the answer had been bought before */ NOT NULL DEFAULT 0;
"""

_RECONCILIATION = """
CREATE TABLE actions (                  -- what people did: released, retried, ignored, edited, switched, erased
    id INTEGER PRIMARY KEY,
    integration_id INTEGER REFERENCES integrations,
    lead_id INTEGER,                    -- empty where it concerns no single lead; erased leads are no longer there
    what TEXT NOT NULL,                 -- release, retry, ignore, unignore, edit, enrich, mode, spec, verify, erase
    detail TEXT NOT NULL,               -- for people: the reason, the group, the change; never a person's data
    by TEXT NOT NULL,                   -- login name, or the name that was given
    at REAL NOT NULL                    -- Unix time
) STRICT;
CREATE INDEX actions_by_lead ON actions (lead_id);

CREATE TABLE connections (              -- destinations that take nothing until somebody has acted
    integration_id INTEGER PRIMARY KEY REFERENCES integrations,
    code TEXT NOT NULL,                 -- see engine.codes
    message TEXT NOT NULL,              -- as the vendor put it, without secrets
    since REAL NOT NULL                 -- Unix time of the first run that met it
) STRICT;

CREATE TABLE verifications (            -- when a cleared lead was last read back, and what was found
    lead_id INTEGER PRIMARY KEY REFERENCES leads,
    outcome TEXT NOT NULL,              -- held, or the code of the failure
    at REAL NOT NULL                    -- Unix time
) STRICT;

CREATE TABLE notified (                 -- up to where each notification rule has told people
    integration_id INTEGER NOT NULL REFERENCES integrations,
    rule TEXT NOT NULL,                 -- its name in the spec
    failure_id INTEGER NOT NULL,        -- the last failure that was told
    at REAL NOT NULL,                   -- Unix time of the last message
    PRIMARY KEY (integration_id, rule)
) STRICT, WITHOUT ROWID;

CREATE TABLE erasures (                 -- certificates of what was erased, without any data of the person
    id TEXT PRIMARY KEY,                -- random
    by TEXT NOT NULL,                   -- login name, or the name that was given
    at REAL NOT NULL,                   -- Unix time
    reason TEXT NOT NULL,
    removed TEXT NOT NULL               -- JSON: rows removed by table
) STRICT;
CREATE INDEX failures_open_by_lead ON failures (lead_id, code) WHERE resolved_at IS NULL;
ALTER TABLE deliveries ADD COLUMN at REAL /* Unix time; 0 where it was made before that was kept */ NOT NULL DEFAULT 0;
"""

_NOTIFICATIONS = """
DROP TABLE notified;                    -- nothing had been written to it

CREATE TABLE notified (                 -- up to where each notification rule has told people
    integration_id INTEGER NOT NULL REFERENCES integrations,
    rule TEXT NOT NULL,                 -- its name in the spec
    failure_id INTEGER NOT NULL,        -- the last failure that was told
    at REAL NOT NULL,                   -- Unix time of the last message
    stop TEXT NOT NULL,                 -- why runs did not get through, as it was told; empty once one did
    PRIMARY KEY (integration_id, rule)
) STRICT, WITHOUT ROWID;
"""
