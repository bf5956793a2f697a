-- Erasures: what is still to be done, and the receipt of what was. `caller` is the opaque key, `folders` (JSON) what
-- is left to remove from the archive; a finished erasure names nothing but counts.
CREATE TABLE erasures (
    id          TEXT PRIMARY KEY,
    caller      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    requested_at REAL NOT NULL,
    folders     TEXT NOT NULL DEFAULT '[]',
    removed     TEXT NOT NULL DEFAULT '{}',
    finished_at REAL,
    receipt     TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX erasures_open ON erasures (requested_at) WHERE finished_at IS NULL;

-- Keyed digests of erased conversations: a redelivery or a backfill must not bring them back.
CREATE TABLE erased (
    digest TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Callers that the operator found to be somebody known already.
CREATE TABLE aliases (
    caller TEXT PRIMARY KEY,
    known_as TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_of ON aliases (known_as);
