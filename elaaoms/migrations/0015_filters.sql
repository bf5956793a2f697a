-- What was archived by day (of unix time, in UTC): adding up every body takes longer the more there are.
CREATE TABLE volumes (
    type  TEXT NOT NULL,
    day   INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 0),
    size  INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (type, day)
) STRICT, WITHOUT ROWID;
INSERT INTO volumes
    SELECT type, CAST(received_at / 86400 AS INTEGER), count(*), sum(size) FROM events GROUP BY 1, 2;
CREATE TRIGGER volumes_counted_in AFTER INSERT ON events
BEGIN
    INSERT INTO volumes VALUES (new.type, CAST(new.received_at / 86400 AS INTEGER), 1, new.size)
        ON CONFLICT (type, day) DO UPDATE SET count = count + 1, size = size + excluded.size;
END;
CREATE TRIGGER volumes_counted_out AFTER DELETE ON events
BEGIN
    UPDATE volumes SET count = count - 1, size = size - old.size
        WHERE type = old.type AND day = CAST(old.received_at / 86400 AS INTEGER);
    DELETE FROM volumes WHERE type = old.type AND day = CAST(old.received_at / 86400 AS INTEGER) AND count = 0;
END;
DROP INDEX events_by_type;

-- Calls by what became of them, page by page.
DROP INDEX calls_unfinished;
CREATE INDEX calls_by_outcome ON calls (outcome, started_at, conversation_id);
