-- What a language model says of the memories it was reminded of.
ALTER TABLE facts ADD COLUMN relation TEXT NOT NULL DEFAULT 'new'
    CHECK (relation IN ('new', 'same', 'refines', 'replaces', 'contradicts'));
ALTER TABLE facts ADD COLUMN relates_to TEXT NOT NULL DEFAULT '';

-- What every answer of a provider cost, also of those that were of no use.
CREATE TABLE charges (
    id              INTEGER PRIMARY KEY,
    at              REAL NOT NULL,
    conversation_id TEXT NOT NULL,
    provider        TEXT NOT NULL,
    model           TEXT NOT NULL,
    input_tokens    INTEGER NOT NULL CHECK (input_tokens >= 0),
    cached_tokens   INTEGER NOT NULL CHECK (cached_tokens >= 0),
    output_tokens   INTEGER NOT NULL CHECK (output_tokens >= 0),
    usd             REAL NOT NULL CHECK (usd >= 0)
) STRICT;
CREATE INDEX charges_by_time ON charges (at);
CREATE INDEX charges_by_conversation ON charges (conversation_id);
