-- Vectors of an embedding endpoint. They can all be made again; a vector disappears with its memory and
-- with the words it was made of. `model` says whose it is: those of different models are never compared.

CREATE TABLE embedding_models (
    no      INTEGER PRIMARY KEY,
    model   TEXT NOT NULL UNIQUE,
    size    INTEGER NOT NULL CHECK (size > 0),
    -- A cosine of this model is worth slope * cosine + shift of the built-in table's.
    slope   REAL NOT NULL CHECK (slope > 0),
    shift   REAL NOT NULL
) STRICT;

CREATE TABLE embeddings (
    owner  TEXT NOT NULL,
    memory TEXT NOT NULL,
    model  INTEGER NOT NULL REFERENCES embedding_models (no) ON DELETE CASCADE,
    vector BLOB NOT NULL,    -- float16, little-endian; empty: the endpoint refuses this text
    PRIMARY KEY (owner, memory)
) STRICT, WITHOUT ROWID;
CREATE INDEX embeddings_by_model ON embeddings (model);

CREATE TRIGGER embedding_of_a_lost_memory AFTER DELETE ON memories BEGIN
    DELETE FROM embeddings WHERE owner = OLD.owner AND memory = OLD.id;
END;

CREATE TRIGGER embedding_of_other_words AFTER UPDATE ON memories
WHEN OLD.content <> NEW.content OR OLD.owner <> NEW.owner OR OLD.id <> NEW.id BEGIN
    DELETE FROM embeddings WHERE owner = OLD.owner AND memory = OLD.id;
END;

-- While an endpoint is configured, what has no vector brings its owner's job along. Changes that come
-- while it waits are its own; for those that come while it runs it queues the next one as it ends.
CREATE TRIGGER embed_what_is_new AFTER INSERT ON memories
WHEN NEW.status = 'active' AND EXISTS (SELECT 1 FROM settings WHERE name = 'embeddings') BEGIN
    INSERT INTO jobs (kind, args, max_attempts, run_at, lock, unique_key, created_at)
    SELECT 'embed', '{}', 4, CAST(strftime('%s', 'now') AS INTEGER),
        'embed:' || NEW.owner, NEW.owner, CAST(strftime('%s', 'now') AS INTEGER)
    WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE kind = 'embed' AND unique_key = NEW.owner
        AND state IN ('available', 'running'));
END;

CREATE TRIGGER embed_what_changed AFTER UPDATE ON memories
WHEN NEW.status = 'active' AND (OLD.status <> 'active' OR OLD.content <> NEW.content OR OLD.owner <> NEW.owner)
    AND EXISTS (SELECT 1 FROM settings WHERE name = 'embeddings') BEGIN
    INSERT INTO jobs (kind, args, max_attempts, run_at, lock, unique_key, created_at)
    SELECT 'embed', '{}', 4, CAST(strftime('%s', 'now') AS INTEGER),
        'embed:' || NEW.owner, NEW.owner, CAST(strftime('%s', 'now') AS INTEGER)
    WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE kind = 'embed' AND unique_key = NEW.owner
        AND state IN ('available', 'running'));
END;
