-- What was tried and what came of it: a record, its tasks, their results and attachments. Nothing here is about one kind of task:
-- runs of spread projects are the first.

CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    project TEXT NOT NULL,
    -- Where the project lay.
    place TEXT NOT NULL,
    -- Of its version control; `modified`: there was more in the tree than that.
    revision TEXT,
    modified INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL,
    worker TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    -- NULL: it is still going on, if the worker is alive.
    outcome TEXT,
    detail TEXT
);
CREATE INDEX records_by_project ON records (project, id);
CREATE INDEX records_open ON records (id) WHERE ended_at IS NULL;

CREATE TABLE record_tasks (
    id INTEGER PRIMARY KEY,
    record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    -- Its place in the record, from 0.
    number INTEGER NOT NULL,
    -- The whole name, by which it is found again in other records.
    name TEXT NOT NULL,
    -- What it is run on, what is run, and which form of that.
    target TEXT NOT NULL,
    task TEXT NOT NULL,
    variant TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    outcome TEXT,
    detail TEXT,
    attempts INTEGER NOT NULL DEFAULT 1,
    -- Milliseconds of all its phases, in its last attempt.
    took INTEGER,
    UNIQUE (record, number)
);
CREATE INDEX record_tasks_by_name ON record_tasks (name, record);

-- One phase of a task, or of something that many tasks share (then `task` is NULL).
CREATE TABLE record_results (
    id INTEGER PRIMARY KEY,
    record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    task INTEGER REFERENCES record_tasks (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    phase TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    target TEXT NOT NULL,
    machine TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    took INTEGER NOT NULL,
    -- The end of what it said, if it failed.
    detail TEXT
);
CREATE INDEX record_results_by_record ON record_results (record, id);
CREATE INDEX record_results_by_task ON record_results (task);

CREATE TABLE record_attachments (
    id INTEGER PRIMARY KEY,
    record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    task INTEGER REFERENCES record_tasks (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest TEXT NOT NULL,
    UNIQUE (record, path)
);
CREATE INDEX record_attachments_by_task ON record_attachments (task);
