-- What callers asked of whoever runs this, in a call: to be forgotten. The words stay in the archive.
CREATE TABLE requests (
    id              INTEGER PRIMARY KEY,
    caller          TEXT NOT NULL REFERENCES callers (caller) ON DELETE CASCADE,
    conversation_id TEXT NOT NULL,
    turn            INTEGER NOT NULL,
    asked_at        REAL NOT NULL,
    declined_at     REAL,
    UNIQUE (conversation_id, turn)
) STRICT;
CREATE INDEX requests_open ON requests (asked_at) WHERE declined_at IS NULL;
