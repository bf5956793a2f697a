-- Times are unix seconds (REAL); args, errors, dropped, heard_by and variables hold JSON.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE callers (
    caller     TEXT PRIMARY KEY,
    address    TEXT NOT NULL UNIQUE,
    language   TEXT NOT NULL DEFAULT '',
    calls      INTEGER NOT NULL DEFAULT 0,
    first_seen REAL NOT NULL,
    last_seen  REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Our side's numbers as calls named them: never a caller.
CREATE TABLE agent_numbers (
    number TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL,
    args         TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'available'
                 CHECK (state IN ('available', 'running', 'completed', 'failed', 'cancelled')),
    attempt      INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
    run_at       REAL NOT NULL,
    lock         TEXT,
    unique_key   TEXT,
    errors       TEXT NOT NULL DEFAULT '[]',
    created_at   REAL NOT NULL,
    started_at   REAL,
    finished_at  REAL,
    CHECK ((state = 'running') <= (started_at IS NOT NULL)),
    CHECK ((state IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
) STRICT;
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE state = 'available';
CREATE INDEX jobs_lock ON jobs (lock, id) WHERE state IN ('available', 'running') AND lock IS NOT NULL;
CREATE UNIQUE INDEX jobs_one_running_per_lock ON jobs (lock) WHERE state = 'running' AND lock IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique ON jobs (kind, unique_key)
    WHERE state IN ('available', 'running') AND unique_key IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_state ON jobs (state, id);

CREATE TABLE calls (
    conversation_id TEXT PRIMARY KEY,
    agent_id        TEXT NOT NULL,
    caller          TEXT REFERENCES callers (caller),
    channel         TEXT NOT NULL DEFAULT '',
    direction       TEXT NOT NULL DEFAULT '',
    language        TEXT NOT NULL DEFAULT '',
    started_at      REAL NOT NULL,
    duration_s      REAL NOT NULL DEFAULT 0,
    title           TEXT NOT NULL DEFAULT '',
    summary         TEXT NOT NULL DEFAULT '',
    failure         TEXT NOT NULL DEFAULT '',
    received_at     REAL NOT NULL,
    job             INTEGER,          -- the newest job that extracts memories from this call
    outcome         TEXT CHECK (outcome IN ('completed', 'nothing')),  -- NULL until a job is done
    dropped         TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX calls_by_time ON calls (started_at, conversation_id);
CREATE INDEX calls_by_caller ON calls (caller, started_at) WHERE caller IS NOT NULL;
CREATE INDEX calls_by_job ON calls (job) WHERE job IS NOT NULL;

-- Every body that was archived. The effect of an event is keyed by (type, conversation_id);
-- the digest tells a redelivery from a newer version.
CREATE TABLE events (
    type            TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    sha256          TEXT NOT NULL,
    event_timestamp REAL NOT NULL,
    path            TEXT NOT NULL,    -- below data/payloads
    size            INTEGER NOT NULL,
    received_at     REAL NOT NULL,
    job             INTEGER,
    PRIMARY KEY (conversation_id, type, sha256)
) STRICT, WITHOUT ROWID;

-- Correctly signed, but not understood.
CREATE TABLE held (
    sha256      TEXT PRIMARY KEY,
    reason      TEXT NOT NULL,
    size        INTEGER NOT NULL,
    received_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Everything that was ever heard of a caller, in the words it rests on. Memories are what these
-- facts add up to, in the order in which they were heard, and can be worked out again from them.
-- `owner` is the caller, or `conversation:<id>` for a call whose caller cannot be told.
CREATE TABLE facts (
    id              INTEGER PRIMARY KEY,
    key             TEXT NOT NULL UNIQUE,
    owner           TEXT NOT NULL,
    source          TEXT NOT NULL CHECK (source IN ('call', 'operator')),
    conversation_id TEXT,
    agent_id        TEXT,
    heard_at        REAL NOT NULL,
    arrived_at      REAL NOT NULL,    -- orders what was heard at the same moment
    category        TEXT NOT NULL CHECK (category IN ('factual', 'preference', 'issue', 'emotional', 'relational')),
    content         TEXT NOT NULL,
    importance      INTEGER NOT NULL CHECK (importance BETWEEN 1 AND 10),
    confidence      REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    quote           TEXT NOT NULL,
    turn            INTEGER NOT NULL,
    event_date      TEXT,
    slot            TEXT NOT NULL,
    value           TEXT NOT NULL,
    changes         INTEGER NOT NULL CHECK (changes IN (0, 1)),
    topic           TEXT NOT NULL,
    memory          TEXT,
    effect          TEXT CHECK (effect IN ('added', 'reinforced', 'refined', 'superseded', 'conflicted'))
) STRICT;
CREATE INDEX facts_by_owner ON facts (owner, heard_at, arrived_at, id);
CREATE INDEX facts_by_conversation ON facts (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX facts_by_memory ON facts (memory) WHERE memory IS NOT NULL;

CREATE TABLE memories (
    id              TEXT PRIMARY KEY,
    owner           TEXT NOT NULL,
    agent_id        TEXT,             -- NULL: shared with every agent
    heard_by        TEXT NOT NULL DEFAULT '[]',
    conversation_id TEXT,
    category        TEXT NOT NULL CHECK (category IN ('factual', 'preference', 'issue', 'emotional', 'relational')),
    content         TEXT NOT NULL,
    importance      INTEGER NOT NULL CHECK (importance BETWEEN 1 AND 10),
    confidence      REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    source_quote    TEXT NOT NULL,
    turn            INTEGER NOT NULL,
    event_date      TEXT,
    slot            TEXT NOT NULL,
    value           TEXT NOT NULL,
    topic           TEXT NOT NULL,
    valid_from      REAL NOT NULL,
    valid_until     REAL,
    status          TEXT NOT NULL CHECK (status IN ('active', 'superseded', 'forgotten')),
    superseded_by   TEXT,
    conflict_with   TEXT,
    reinforcements  INTEGER NOT NULL CHECK (reinforcements >= 0),
    first_heard     REAL NOT NULL,
    last_heard      REAL NOT NULL,
    pinned          INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
    CHECK ((status = 'superseded') = (superseded_by IS NOT NULL)),
    CHECK ((status = 'superseded') <= (valid_until IS NOT NULL))
) STRICT;
CREATE INDEX memories_by_owner ON memories (owner, status);
CREATE INDEX memories_by_time ON memories (first_heard, id);
CREATE INDEX memories_by_conversation ON memories (conversation_id) WHERE conversation_id IS NOT NULL;

-- What the next call hears, prepared when the last one was processed. agent_id '' is for every
-- agent that has not spoken with the caller and knows only what is shared.
CREATE TABLE greetings (
    caller      TEXT NOT NULL REFERENCES callers (caller) ON DELETE CASCADE,
    agent_id    TEXT NOT NULL,
    variables   TEXT NOT NULL,
    prepared_at REAL NOT NULL,
    expires_at  REAL NOT NULL,
    PRIMARY KEY (caller, agent_id)
) STRICT, WITHOUT ROWID;
