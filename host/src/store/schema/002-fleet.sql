-- Shelves, tickets, leases with an end, checks, orphans, events and counters.

ALTER TABLE instances ADD COLUMN shelf INTEGER;
ALTER TABLE instances ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN first_leased_at INTEGER;
-- The ticket it is being made for, or whose lease holds it.
ALTER TABLE instances ADD COLUMN ticket INTEGER;
ALTER TABLE instances ADD COLUMN fence INTEGER;
ALTER TABLE instances ADD COLUMN lease_ttl INTEGER;
ALTER TABLE instances ADD COLUMN lease_expires_at INTEGER;
-- JSON: the process or the connection that the lease ends with.
ALTER TABLE instances ADD COLUMN lease_holder TEXT;
ALTER TABLE instances ADD COLUMN checked_at INTEGER;
ALTER TABLE instances ADD COLUMN check_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN check_due_at INTEGER;
UPDATE instances SET uses = 1, first_leased_at = coalesce(lease_since, created_at) WHERE state IN ('ready', 'leased', 'releasing');

CREATE INDEX instances_shelf ON instances (shelf, state) WHERE shelf IS NOT NULL AND state <> 'discarded';
CREATE INDEX instances_ticket ON instances (ticket) WHERE ticket IS NOT NULL AND state <> 'discarded';
CREATE INDEX instances_expiry ON instances (lease_expires_at) WHERE state = 'leased' AND lease_expires_at IS NOT NULL;
CREATE INDEX instances_holder ON instances (id) WHERE state = 'leased' AND lease_holder IS NOT NULL;
CREATE INDEX instances_check ON instances (check_due_at) WHERE state IN ('ready', 'leased') AND check_due_at IS NOT NULL;

-- How many instances of a source are in which state: kept by the triggers below, so that nobody has to count.
CREATE TABLE instance_counts (
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (source, state)
) WITHOUT ROWID;
INSERT INTO instance_counts SELECT source, state, count(*) FROM instances WHERE state <> 'discarded' GROUP BY source, state;
CREATE TRIGGER instances_counted_in AFTER INSERT ON instances WHEN new.state <> 'discarded' BEGIN
    INSERT INTO instance_counts VALUES (new.source, new.state, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER instances_counted_on AFTER UPDATE OF state ON instances WHEN new.state <> old.state BEGIN
    UPDATE instance_counts SET count = count - 1 WHERE source = old.source AND state = old.state;
    INSERT INTO instance_counts SELECT new.source, new.state, 1 WHERE new.state <> 'discarded'
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

DROP TABLE ticket_sources;
DROP TABLE tickets;
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The source or pool; none when it was asked for by tags alone.
    asked TEXT,
    -- `asked` is a pool.
    pool INTEGER NOT NULL,
    -- JSON lists of texts.
    tags TEXT NOT NULL,
    requires TEXT NOT NULL,
    shelf INTEGER,
    fresh INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    owner TEXT NOT NULL,
    -- The process that waits; none: nobody in particular.
    worker TEXT,
    -- What it is made from was given on the command line: only that process can make it.
    custom INTEGER NOT NULL,
    -- It waits for what is not there yet.
    patient INTEGER NOT NULL,
    lease_ttl INTEGER,
    lease_holder TEXT,
    state TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    deadline INTEGER,
    served_at INTEGER,
    ended_at INTEGER,
    -- Why it failed, for people.
    reason TEXT
);
CREATE INDEX tickets_waiting ON tickets (id) WHERE state = 'waiting';
CREATE INDEX tickets_ended ON tickets (ended_at) WHERE ended_at IS NOT NULL;
-- Where a waiting ticket may be served from; gone when it waits no more.
CREATE TABLE ticket_sources (
    ticket INTEGER NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    position INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    tags INTEGER NOT NULL,
    ruled_out TEXT,
    failed TEXT,
    passing INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (ticket, source)
) WITHOUT ROWID;
CREATE INDEX ticket_sources_source ON ticket_sources (source, ticket);

CREATE TABLE shelves (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE source_health (
    source TEXT PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0,
    left_out_until INTEGER,
    last_start INTEGER,
    last_success INTEGER,
    last_error TEXT,
    -- Moving averages, the newest with a weight of 0.2.
    success_rate REAL,
    start_time REAL
) WITHOUT ROWID;

-- What was measured on instances of one make.
CREATE TABLE source_facts (
    source TEXT NOT NULL,
    shape TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (source, shape, facts)
) WITHOUT ROWID;

-- What a provider lists and our books do not know.
CREATE TABLE orphans (
    source TEXT NOT NULL,
    handle TEXT NOT NULL,
    token TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    sightings INTEGER NOT NULL,
    trouble TEXT,
    PRIMARY KEY (source, handle)
) WITHOUT ROWID;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    source TEXT,
    instance TEXT,
    ticket INTEGER,
    shelf TEXT,
    detail TEXT
);

-- Counters for monitoring; `label` is the value of the metric's one label.
CREATE TABLE metrics (
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (name, label)
) WITHOUT ROWID;

-- Processes that wait for a ticket which is not theirs alone.
CREATE TABLE ticket_watchers (
    ticket INTEGER NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    worker TEXT NOT NULL,
    PRIMARY KEY (ticket, worker)
) WITHOUT ROWID;

-- The wall clock beside one that nobody sets, when they were last compared.
CREATE TABLE clock (boot TEXT PRIMARY KEY, steady INTEGER NOT NULL, wall INTEGER NOT NULL) WITHOUT ROWID;
