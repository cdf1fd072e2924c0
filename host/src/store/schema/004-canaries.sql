-- Trials of another component for a source, and what each side of one did.

-- The newest row of a source counts; older ones are history.
CREATE TABLE canaries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    -- `running`, `promoted`, `returned` (by itself), `aborted`, `replaced` (by the configuration, or by another one).
    state TEXT NOT NULL,
    -- Digests: what the configuration names, what is made of without the trial, and what is tried.
    configured TEXT NOT NULL,
    stable TEXT NOT NULL,
    candidate TEXT NOT NULL,
    plugin TEXT NOT NULL,
    version TEXT NOT NULL,
    percent INTEGER NOT NULL,
    -- Milliseconds; older outcomes do not count.
    window INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    -- Instances that were begun since, of both sides.
    begun INTEGER NOT NULL DEFAULT 0,
    -- Of what the candidate made last: what fits beside the source's own.
    shape TEXT,
    started_at INTEGER NOT NULL,
    started_by TEXT NOT NULL,
    ended_at INTEGER,
    reason TEXT
);
CREATE INDEX canaries_source ON canaries (source, id);
CREATE UNIQUE INDEX canaries_running ON canaries (source) WHERE state = 'running';
CREATE INDEX canaries_promoted ON canaries (source) WHERE state = 'promoted';

-- Which side made an instance.
CREATE TABLE canary_instances (
    instance INTEGER PRIMARY KEY,
    canary INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    ticket INTEGER,
    -- It could not be made, and the trial takes the blame.
    failed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX canary_instances_failed ON canary_instances (ticket) WHERE failed;
CREATE TRIGGER instances_leave_their_canary AFTER DELETE ON instances BEGIN
    DELETE FROM canary_instances WHERE instance = old.id;
END;

-- Counted by the minute, so that what is old can be left out.
CREATE TABLE canary_outcomes (
    canary INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    well INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (canary, candidate, minute)
) WITHOUT ROWID;

-- Which components are still needed is asked whenever an instance is gone.
CREATE INDEX instances_definition ON instances (definition) WHERE state <> 'discarded';
