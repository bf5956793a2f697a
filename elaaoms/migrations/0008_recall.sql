-- What ranking needs of every active memory, clustered by caller. All of it can be made again from the
-- memories: an entry disappears with any change of its memory and is made anew by whoever misses it.
-- `version` comes from one clock for all callers, so that what is kept in a process is never older than
-- the last write, whoever wrote.

CREATE TABLE recall_clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    now  INTEGER NOT NULL
) STRICT;
INSERT INTO recall_clock (only, now) VALUES (1, 1);

CREATE TABLE recall_owners (
    no      INTEGER PRIMARY KEY,
    owner   TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL
) STRICT;
INSERT INTO recall_owners (owner, version) SELECT DISTINCT owner, 1 FROM memories;

CREATE TABLE recall_entries (
    owner  INTEGER NOT NULL REFERENCES recall_owners (no) ON DELETE CASCADE,
    memory TEXT NOT NULL,
    entry  BLOB NOT NULL,
    PRIMARY KEY (owner, memory)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER recall_added AFTER INSERT ON memories BEGIN
    UPDATE recall_clock SET now = now + 1;
    INSERT INTO recall_owners (owner, version) VALUES (NEW.owner, (SELECT now FROM recall_clock))
        ON CONFLICT (owner) DO UPDATE SET version = excluded.version;
END;

CREATE TRIGGER recall_changed AFTER UPDATE ON memories BEGIN
    UPDATE recall_clock SET now = now + 1;
    DELETE FROM recall_entries
        WHERE owner = (SELECT no FROM recall_owners WHERE owner = OLD.owner) AND memory = OLD.id;
    INSERT INTO recall_owners (owner, version) VALUES (NEW.owner, (SELECT now FROM recall_clock))
        ON CONFLICT (owner) DO UPDATE SET version = excluded.version;
    UPDATE recall_owners SET version = (SELECT now FROM recall_clock) WHERE owner = OLD.owner;
END;

CREATE TRIGGER recall_removed AFTER DELETE ON memories BEGIN
    UPDATE recall_clock SET now = now + 1;
    DELETE FROM recall_entries
        WHERE owner = (SELECT no FROM recall_owners WHERE owner = OLD.owner) AND memory = OLD.id;
    UPDATE recall_owners SET version = (SELECT now FROM recall_clock) WHERE owner = OLD.owner;
    DELETE FROM recall_owners WHERE owner = OLD.owner
        AND NOT EXISTS (SELECT 1 FROM memories WHERE owner = OLD.owner);
END;
