-- The three tables of the hot path have no foreign keys: an append has found the room's row in the same transaction,
-- and a key check per row would look that row up once more for each message.

-- All chat there is.
CREATE TABLE messages (
    -- That of the event which brought it.
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    sender_id TEXT NOT NULL,
    -- As it was at that moment.
    sender_username TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (room_id, seq)
);

-- What a client that comes back is sent: the last events of each room.
CREATE TABLE room_events (
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    event_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, seq)
);

-- What waits for a user without a socket. It keeps the event itself, since the room's log forgets.
CREATE TABLE offline_queue (
    -- The order of arrival, by which the oldest is dropped.
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    event_id BLOB NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, room_id, seq)
);
CREATE INDEX offline_queue_order ON offline_queue (user_id, position);
