-- Which memories whoever was shown and told stand in the audit trail too, and are let go again after
-- storage.keep_access_days. Everything else in the trail stays for ever.

-- What the next call is given rests on these memories (JSON array of ids).
ALTER TABLE greetings ADD COLUMN memories TEXT NOT NULL DEFAULT '[]';

CREATE INDEX audit_by_actor ON audit (actor, id);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_accesses ON audit (at) WHERE action IN ('memory.seen', 'memory.shown', 'memory.told');
DROP TRIGGER audit_is_not_deleted;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
WHEN old.action NOT IN ('memory.seen', 'memory.shown', 'memory.told')
    OR old.at > CAST(strftime('%s', 'now') AS INTEGER) - 30 * 86400
BEGIN SELECT raise(ABORT, 'the audit trail is only added to'); END;

-- The same without a foreign key, which would look through the whole table for each entry that is let go.
CREATE TABLE audit_subjects_of (
    subject TEXT NOT NULL,
    entry   INTEGER NOT NULL,
    PRIMARY KEY (subject, entry)
) STRICT, WITHOUT ROWID;
INSERT INTO audit_subjects_of SELECT subject, entry FROM audit_subjects;
DROP TABLE audit_subjects;
ALTER TABLE audit_subjects_of RENAME TO audit_subjects;
CREATE TRIGGER audit_subjects_are_not_changed BEFORE UPDATE ON audit_subjects
BEGIN SELECT raise(ABORT, 'the audit trail is only added to'); END;
CREATE TRIGGER audit_subjects_are_not_deleted BEFORE DELETE ON audit_subjects
WHEN EXISTS (SELECT 1 FROM audit WHERE id = old.entry)
BEGIN SELECT raise(ABORT, 'the audit trail is only added to'); END;
