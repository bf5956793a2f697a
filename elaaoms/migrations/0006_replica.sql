-- What OpenMemory holds of each memory, and what it is owed. A replica is a desired state: whatever
-- happens to a row of `memories`, by whichever statement, leaves a change here in the same
-- transaction, and delivering means making the other side equal to what the memory is by then.
-- So a rebuild that ends where it began owes nothing, a memory that moves to another owner is gone
-- here and new there, and no feature has to know that there is a replica.
CREATE TABLE replica (
    owner     TEXT NOT NULL,
    memory    TEXT NOT NULL,    -- its id, also when it is no more
    key       TEXT,             -- under which it was sent, noted before it was; NULL: it never was
    remote    TEXT,             -- its id over there, once our key was read back from it
    delivered TEXT,             -- digest of the document that was read back
    changed   INTEGER,          -- orders what is owed; NULL: nothing is
    since     INTEGER,          -- unix seconds of the oldest change that is owed
    PRIMARY KEY (owner, memory),
    CHECK ((changed IS NULL) = (since IS NULL))
) STRICT;
CREATE INDEX replica_owed ON replica (changed) WHERE changed IS NOT NULL;
CREATE INDEX replica_owed_by_owner ON replica (owner, changed) WHERE changed IS NOT NULL;
CREATE UNIQUE INDEX replica_remote ON replica (remote) WHERE remote IS NOT NULL;

CREATE TRIGGER replica_of_a_new_memory AFTER INSERT ON memories BEGIN
    INSERT INTO replica (owner, memory, changed, since) VALUES (
        NEW.owner, NEW.id,
        (SELECT coalesce(max(changed), 0) + 1 FROM replica WHERE changed IS NOT NULL),
        CAST(strftime('%s', 'now') AS INTEGER)
    ) ON CONFLICT (owner, memory) DO UPDATE
        SET changed = excluded.changed, since = coalesce(replica.since, excluded.since);
END;

CREATE TRIGGER replica_of_a_changed_memory AFTER UPDATE ON memories BEGIN
    UPDATE replica SET
        changed = (SELECT coalesce(max(changed), 0) + 1 FROM replica WHERE changed IS NOT NULL),
        since = coalesce(since, CAST(strftime('%s', 'now') AS INTEGER))
    WHERE owner = OLD.owner AND memory = OLD.id AND (OLD.owner, OLD.id) <> (NEW.owner, NEW.id);
    INSERT INTO replica (owner, memory, changed, since) VALUES (
        NEW.owner, NEW.id,
        (SELECT coalesce(max(changed), 0) + 1 FROM replica WHERE changed IS NOT NULL),
        CAST(strftime('%s', 'now') AS INTEGER)
    ) ON CONFLICT (owner, memory) DO UPDATE
        SET changed = excluded.changed, since = coalesce(replica.since, excluded.since);
END;

CREATE TRIGGER replica_of_a_lost_memory AFTER DELETE ON memories BEGIN
    DELETE FROM replica WHERE owner = OLD.owner AND memory = OLD.id AND key IS NULL;
    UPDATE replica SET
        changed = (SELECT coalesce(max(changed), 0) + 1 FROM replica WHERE changed IS NOT NULL),
        since = coalesce(since, CAST(strftime('%s', 'now') AS INTEGER))
    WHERE owner = OLD.owner AND memory = OLD.id;
END;

-- A change brings its owner's job along, while a replica is configured. Changes that come while
-- the job waits are its own (its unique_key says whose it is); for those that come while it runs it queues the next one as it ends.
CREATE TRIGGER replicate_what_is_new AFTER INSERT ON replica
WHEN NEW.changed IS NOT NULL AND EXISTS (SELECT 1 FROM settings WHERE name = 'replica') BEGIN
    INSERT INTO jobs (kind, args, max_attempts, run_at, lock, unique_key, created_at)
    SELECT 'replicate', '{}', 4, CAST(strftime('%s', 'now') AS INTEGER),
        'replicate:' || NEW.owner, NEW.owner, CAST(strftime('%s', 'now') AS INTEGER)
    WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE kind = 'replicate' AND unique_key = NEW.owner
        AND state IN ('available', 'running'));
END;

CREATE TRIGGER replicate_what_changed AFTER UPDATE OF changed ON replica
WHEN NEW.changed IS NOT NULL AND EXISTS (SELECT 1 FROM settings WHERE name = 'replica') BEGIN
    INSERT INTO jobs (kind, args, max_attempts, run_at, lock, unique_key, created_at)
    SELECT 'replicate', '{}', 4, CAST(strftime('%s', 'now') AS INTEGER),
        'replicate:' || NEW.owner, NEW.owner, CAST(strftime('%s', 'now') AS INTEGER)
    WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE kind = 'replicate' AND unique_key = NEW.owner
        AND state IN ('available', 'running'));
END;

-- What is remembered already is owed from the start.
INSERT INTO replica (owner, memory, changed, since)
SELECT owner, id, row_number() OVER (ORDER BY first_heard, rowid), CAST(strftime('%s', 'now') AS INTEGER)
FROM memories;
