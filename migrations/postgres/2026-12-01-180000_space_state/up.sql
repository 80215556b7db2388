-- The keyed state of spaces, as the events of their rooms have left it. Who changes an entry holds the lock of the room.
CREATE TABLE space_state (
    room_id UUID NOT NULL REFERENCES spaces (room_id) ON DELETE CASCADE,
    key TEXT COLLATE "C" NOT NULL,
    -- JSON as the client wrote it.
    value TEXT NOT NULL,
    -- The number of the event that has set it, by which it is changed conditionally.
    seq BIGINT NOT NULL CHECK (seq > 0),
    user_id TEXT COLLATE "C" NOT NULL,
    -- When the entry ends by itself.
    expires_at TIMESTAMPTZ,
    -- The socket with which it ends.
    holder_node TEXT,
    holder_worker INTEGER,
    holder_generation BIGINT,
    CHECK ((holder_node IS NULL) = (holder_worker IS NULL) AND (holder_node IS NULL) = (holder_generation IS NULL)),
    PRIMARY KEY (room_id, key)
);
