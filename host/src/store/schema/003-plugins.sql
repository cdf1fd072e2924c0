-- What is kept for plugins: who we are to their backends, what they remember, what they keep for instances, what they used.

-- One row for ever: a label that tells our things from those of another state over the same backend.
CREATE TABLE identity (id TEXT NOT NULL);
INSERT INTO identity VALUES (lower(hex(randomblob(8))));

CREATE TABLE plugin_values (
    source TEXT NOT NULL,
    plugin TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (source, plugin, key)
) WITHOUT ROWID;

-- Secrets that belong to an instance, by its token, and go with it.
CREATE TABLE kept_secrets (
    token TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (token, name)
) WITHOUT ROWID;

-- The start of the system of an instance, as it was last seen; another one means that it was rebooted.
CREATE TABLE instance_boots (token TEXT PRIMARY KEY, boot TEXT NOT NULL) WITHOUT ROWID;

CREATE TRIGGER instances_keep_nothing AFTER UPDATE OF state ON instances WHEN new.state = 'discarded' BEGIN
    DELETE FROM kept_secrets WHERE token = new.token;
    DELETE FROM instance_boots WHERE token = new.token;
END;

-- Rights that a component really used for a source: one row each, however often.
CREATE TABLE plugin_uses (
    source TEXT NOT NULL,
    digest TEXT NOT NULL,
    plugin TEXT NOT NULL,
    version TEXT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    uses INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (source, digest, kind, what)
) WITHOUT ROWID;
