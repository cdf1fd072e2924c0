-- What instances are made by: kept as long as an instance of it exists, whatever becomes of the configuration.
CREATE TABLE definitions (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    -- What decides whether an idle instance fits: component, configuration, scripts and hooks.
    shape TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (source, body)
);

-- The next number of each source or pool; numbers are never used twice.
CREATE TABLE counters (asked TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE instances (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    pool TEXT,
    slot INTEGER NOT NULL,
    token TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    definition INTEGER NOT NULL REFERENCES definitions (id),
    handle TEXT,
    access TEXT,
    attributes TEXT,
    facts TEXT,
    workdir TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    -- The process that is working on it now.
    worker TEXT,
    trouble TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER,
    lease_owner TEXT,
    lease_since INTEGER,
    lease_confirmed INTEGER NOT NULL DEFAULT 0
);
-- No machine is in the books twice.
CREATE UNIQUE INDEX instances_handle ON instances (source, handle) WHERE handle IS NOT NULL AND state <> 'discarded';
CREATE UNIQUE INDEX instances_slot ON instances (source, slot) WHERE state <> 'discarded';
CREATE INDEX instances_live ON instances (source, state, changed_at) WHERE state <> 'discarded';
CREATE INDEX instances_pool ON instances (pool) WHERE pool IS NOT NULL AND state <> 'discarded';
-- What repair looks at: rows that somebody must be working on.
CREATE INDEX instances_unfinished ON instances (worker)
    WHERE state NOT IN ('ready', 'leased', 'discarded') OR (state = 'leased' AND lease_confirmed = 0);
CREATE INDEX instances_history ON instances (changed_at) WHERE state = 'discarded';

-- Requests that wait.
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    asked TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    worker TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE ticket_sources (
    ticket INTEGER NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    PRIMARY KEY (source, ticket)
) WITHOUT ROWID;

-- Who did what to which instance, when, and how it ended. Running commands are rows without an end.
CREATE TABLE operations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    verb TEXT NOT NULL,
    instance TEXT,
    source TEXT,
    owner TEXT NOT NULL,
    worker TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT,
    detail TEXT
);
CREATE INDEX operations_instance ON operations (instance, id);
CREATE INDEX operations_running ON operations (instance, verb) WHERE ended_at IS NULL;

CREATE TABLE grants (
    source TEXT NOT NULL,
    digest TEXT NOT NULL,
    plugin TEXT NOT NULL,
    version TEXT NOT NULL,
    capabilities TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    granted_by TEXT NOT NULL,
    revoked_at INTEGER,
    PRIMARY KEY (source, digest)
) WITHOUT ROWID;
