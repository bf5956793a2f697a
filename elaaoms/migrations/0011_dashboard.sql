-- What the dashboard looks up: pages by key, searches and sums that never read a whole table.
CREATE INDEX callers_by_last_seen ON callers (last_seen, caller);
DROP INDEX calls_by_caller;
CREATE INDEX calls_by_caller ON calls (caller, started_at, conversation_id) WHERE caller IS NOT NULL;
CREATE INDEX calls_by_agent ON calls (agent_id, started_at, conversation_id);
CREATE INDEX calls_unfinished ON calls (started_at, conversation_id) WHERE outcome IS NULL;
CREATE INDEX events_by_type ON events (type, received_at, size);
DROP INDEX memories_by_owner;
CREATE INDEX memories_by_owner ON memories (owner, status, first_heard, id);
CREATE INDEX memories_by_name ON memories (value, owner) WHERE slot = 'name' AND status = 'active';
CREATE INDEX memories_with_names ON memories (owner) WHERE slot = 'name' AND status = 'active';

-- How many memories each owner has: counting half a million takes longer than a page may.
CREATE TABLE owners (
    owner    TEXT PRIMARY KEY,
    memories INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX owners_by_size ON owners (memories, owner);
INSERT INTO owners (owner, memories) SELECT owner, count(*) FROM memories GROUP BY owner;
CREATE TRIGGER memories_counted AFTER INSERT ON memories
BEGIN
    INSERT INTO owners (owner, memories) VALUES (new.owner, 1)
    ON CONFLICT (owner) DO UPDATE SET memories = memories + 1;
END;
CREATE TRIGGER memories_discounted AFTER DELETE ON memories
BEGIN
    UPDATE owners SET memories = memories - 1 WHERE owner = old.owner;
    DELETE FROM owners WHERE owner = old.owner AND memories = 0;
END;
