-- The three tables of the hot path have no foreign keys: an append already holds the lock of the room's row, and a key
-- check would look that row up again for each message.

-- All chat messages.
CREATE TABLE messages (
    -- The id of the event that created the message.
    id UUID PRIMARY KEY,
    room_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    sender_id TEXT COLLATE "C" NOT NULL,
    -- The sender's name at that time.
    sender_username TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (room_id, seq)
);

-- The last events of each room, which are replayed to reconnecting clients.
CREATE TABLE room_events (
    room_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    event_id UUID NOT NULL,
    kind TEXT NOT NULL,
    payload JSON NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (room_id, seq)
);

-- Events queued for users who are offline. It stores the event itself, because the room's log is trimmed.
CREATE TABLE offline_queue (
    -- The order of arrival. The oldest row is dropped first.
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL,
    room_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    event_id UUID NOT NULL,
    payload JSON NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (user_id, room_id, seq)
);
CREATE INDEX offline_queue_order ON offline_queue (user_id, position);
