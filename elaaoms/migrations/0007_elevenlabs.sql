-- What is known of agents: that calls were had with them, and their profile at ElevenLabs.
CREATE TABLE agents (
    agent_id      TEXT PRIMARY KEY,
    name          TEXT NOT NULL DEFAULT '',
    role          TEXT NOT NULL DEFAULT '',
    company       TEXT NOT NULL DEFAULT '',
    language      TEXT NOT NULL DEFAULT '',
    first_message TEXT NOT NULL DEFAULT '',
    web           INTEGER NOT NULL DEFAULT 0 CHECK (web IN (0, 1)),  -- visitors of a web page reach it
    fetched_at    REAL                                               -- NULL: its profile was never fetched
) STRICT, WITHOUT ROWID;

-- Calls that client-data announced, and for whom; kept for four hours.
CREATE TABLE announcements (
    id           TEXT NOT NULL,
    caller       TEXT NOT NULL,
    announced_at REAL NOT NULL,
    PRIMARY KEY (id, caller)
) STRICT, WITHOUT ROWID;
CREATE INDEX announcements_by_time ON announcements (announced_at);
