-- The three tables of the hot path have no foreign keys: an append has already read the room's row in the same
-- transaction, and a key check would look that row up again for each message.

-- All chat messages.
CREATE TABLE messages (
    -- The id of the event that created the message.
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    sender_id TEXT NOT NULL,
    -- The sender's name at that time.
    sender_username TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (room_id, seq)
);

-- The last events of each room, which are replayed to reconnecting clients.
CREATE TABLE room_events (
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    event_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, seq)
);

-- Events queued for users who are offline. It stores the event itself, because the room's log is trimmed.
CREATE TABLE offline_queue (
    -- The order of arrival. The oldest row is dropped first.
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
