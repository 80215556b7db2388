-- The three tables of the hot path have no foreign keys: an append holds the lock of the room's row while it writes
-- them, and a key check per row would look that row up once more for each message.

-- All chat there is.
CREATE TABLE messages (
    -- That of the event which brought it.
    id UUID PRIMARY KEY,
    room_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    sender_id TEXT COLLATE "C" NOT NULL,
    -- As it was at that moment.
    sender_username TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (room_id, seq)
);

-- What a client that comes back is sent: the last events of each room.
CREATE TABLE room_events (
    room_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    event_id UUID NOT NULL,
    kind TEXT NOT NULL,
    payload JSON NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (room_id, seq)
);

-- What waits for a user without a socket. It keeps the event itself, since the room's log forgets.
CREATE TABLE offline_queue (
    -- The order of arrival, by which the oldest is dropped.
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
