-- What the operator was alerted of, and which ids an entry of the audit trail is about.

-- One row for each kind of alert. `since`: when the trouble that stands now began, NULL while there is none.
-- `told_at`: when the operator was last told of trouble; `announced` = 1 until the recovery is told as well.
CREATE TABLE alerts (
    kind      TEXT PRIMARY KEY,
    text      TEXT NOT NULL,
    since     REAL,
    told_at   REAL,
    announced INTEGER NOT NULL DEFAULT 0 CHECK (announced IN (0, 1)),
    CHECK (announced = 0 OR told_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- When the newest webhook arrived.
CREATE INDEX events_received ON events (received_at);

-- A row for each id that an audit entry is about, so that an id's entries are found without reading the trail.
CREATE TABLE audit_subjects (
    subject TEXT NOT NULL,
    entry   INTEGER NOT NULL REFERENCES audit (id),
    PRIMARY KEY (subject, entry)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO audit_subjects (subject, entry)
    SELECT subjects.value, audit.id FROM audit, json_each(audit.subjects) AS subjects;
