-- How many there are, kept with every change: /health and a new call must not count what is stored.
-- `calls` of a caller is kept the same way.
CREATE TABLE tallies (
    name  TEXT PRIMARY KEY,
    count INTEGER NOT NULL CHECK (count >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO tallies SELECT 'calls', count(*) FROM calls;
INSERT INTO tallies SELECT 'callers', count(*) FROM callers;
INSERT INTO tallies SELECT 'held', count(*) FROM held;
INSERT INTO tallies SELECT 'events', count(*) FROM events;
INSERT INTO tallies
    SELECT 'jobs ' || value, (SELECT count(*) FROM jobs WHERE state = value)
    FROM json_each('["available", "running", "completed", "failed", "cancelled"]');
UPDATE callers SET calls = (SELECT count(*) FROM calls WHERE calls.caller = callers.caller);

CREATE TRIGGER calls_counted_in AFTER INSERT ON calls
BEGIN
    UPDATE tallies SET count = count + 1 WHERE name = 'calls';
    UPDATE callers SET calls = calls + 1 WHERE caller = new.caller;
END;
CREATE TRIGGER calls_counted_over AFTER UPDATE OF caller ON calls WHEN old.caller IS NOT new.caller
BEGIN
    UPDATE callers SET calls = calls - 1 WHERE caller = old.caller;
    UPDATE callers SET calls = calls + 1 WHERE caller = new.caller;
END;
CREATE TRIGGER calls_counted_out AFTER DELETE ON calls
BEGIN
    UPDATE tallies SET count = count - 1 WHERE name = 'calls';
    UPDATE callers SET calls = calls - 1 WHERE caller = old.caller;
END;
CREATE TRIGGER callers_counted_in AFTER INSERT ON callers
BEGIN UPDATE tallies SET count = count + 1 WHERE name = 'callers'; END;
CREATE TRIGGER callers_counted_out AFTER DELETE ON callers
BEGIN UPDATE tallies SET count = count - 1 WHERE name = 'callers'; END;
CREATE TRIGGER held_counted_in AFTER INSERT ON held
BEGIN UPDATE tallies SET count = count + 1 WHERE name = 'held'; END;
CREATE TRIGGER held_counted_out AFTER DELETE ON held
BEGIN UPDATE tallies SET count = count - 1 WHERE name = 'held'; END;
CREATE TRIGGER events_counted_in AFTER INSERT ON events
BEGIN UPDATE tallies SET count = count + 1 WHERE name = 'events'; END;
CREATE TRIGGER events_counted_out AFTER DELETE ON events
BEGIN UPDATE tallies SET count = count - 1 WHERE name = 'events'; END;
CREATE TRIGGER jobs_counted_in AFTER INSERT ON jobs
BEGIN UPDATE tallies SET count = count + 1 WHERE name = 'jobs ' || new.state; END;
CREATE TRIGGER jobs_counted_over AFTER UPDATE OF state ON jobs WHEN old.state <> new.state
BEGIN
    UPDATE tallies SET count = count - 1 WHERE name = 'jobs ' || old.state;
    UPDATE tallies SET count = count + 1 WHERE name = 'jobs ' || new.state;
END;
CREATE TRIGGER jobs_counted_out AFTER DELETE ON jobs
BEGIN UPDATE tallies SET count = count - 1 WHERE name = 'jobs ' || old.state; END;
