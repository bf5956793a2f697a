-- Who did what to what, for ever: ids and numbers, never what was said.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY,
    at       REAL NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    subjects TEXT NOT NULL,             -- JSON array of ids
    details  TEXT NOT NULL DEFAULT '{}' -- JSON object
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit trail is only added to'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit trail is only added to'); END;

-- SHA-256 over a row's values: integrity_check does not see a bit that flips within a value.
-- NULL: written before there were seals; the next scrub seals the row as it stands.
ALTER TABLE memories ADD COLUMN seal TEXT;
ALTER TABLE facts ADD COLUMN seal TEXT;

-- When a caller last rang more often than limits.calls_per_hour.
ALTER TABLE callers ADD COLUMN flagged_at REAL;

-- 1 while an older unfinished job holds the same lock. Only the first job of each lock stands in the
-- line of what is due, and the next one joins it at the end: a caller with a thousand pending calls
-- takes turns with everybody else, and a claim never looks through them.
ALTER TABLE jobs ADD COLUMN waits INTEGER NOT NULL DEFAULT 0 CHECK (waits IN (0, 1));
UPDATE jobs SET waits = 1 WHERE state = 'available' AND EXISTS (
    SELECT 1 FROM jobs AS older
    WHERE older.lock = jobs.lock AND older.id < jobs.id AND older.state IN ('available', 'running')
);
DROP INDEX jobs_due;
CREATE INDEX jobs_ready ON jobs (run_at, id) WHERE state = 'available' AND waits = 0;
CREATE TRIGGER jobs_line_up AFTER INSERT ON jobs
WHEN new.lock IS NOT NULL AND EXISTS (
    SELECT 1 FROM jobs WHERE lock = new.lock AND id < new.id AND state IN ('available', 'running')
)
BEGIN
    UPDATE jobs SET waits = 1 WHERE id = new.id;
END;
CREATE TRIGGER jobs_move_up AFTER UPDATE OF state ON jobs
WHEN new.lock IS NOT NULL AND old.finished_at IS NULL AND new.finished_at IS NOT NULL
BEGIN
    UPDATE jobs SET waits = 0, run_at = max(run_at, new.finished_at)
    WHERE waits = 1 AND id = (
        SELECT id FROM jobs WHERE lock = new.lock AND state IN ('available', 'running') ORDER BY id LIMIT 1
    );
END;
CREATE TRIGGER jobs_come_back AFTER UPDATE OF state ON jobs
WHEN new.lock IS NOT NULL AND old.finished_at IS NOT NULL AND new.finished_at IS NULL
BEGIN
    UPDATE jobs SET waits = 1 WHERE lock = new.lock AND id > new.id AND state = 'available' AND waits = 0;
    UPDATE jobs SET waits = EXISTS (
        SELECT 1 FROM jobs AS older
        WHERE older.lock = new.lock AND older.id < new.id AND older.state IN ('available', 'running')
    ) WHERE id = new.id;
END;
