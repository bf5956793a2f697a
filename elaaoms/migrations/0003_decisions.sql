-- What an operator decided about memories; facts that come again must not undo it.
ALTER TABLE memories ADD COLUMN restored_at REAL;  -- what was heard until then does not end the memory

-- Facts that were forgotten, without their words: the same call read again must not bring them back.
CREATE TABLE forgotten (
    key             TEXT PRIMARY KEY,
    owner           TEXT NOT NULL,
    conversation_id TEXT,
    turn            INTEGER NOT NULL,
    category        TEXT NOT NULL,
    at              REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX forgotten_by_conversation ON forgotten (conversation_id, turn) WHERE conversation_id IS NOT NULL;
