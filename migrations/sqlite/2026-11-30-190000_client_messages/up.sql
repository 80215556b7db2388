-- The ids that clients have given their messages: by them a message is recognised that is sent again. Like the log it has no
-- foreign keys. Rows are swept out after a day.
CREATE TABLE client_messages (
    room_id BLOB NOT NULL,
    user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    -- The event that was stored.
    event_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- 128 bits of a digest of the content: another message under the same id is refused.
    digest BLOB NOT NULL,
    PRIMARY KEY (room_id, user_id, client_id)
) WITHOUT ROWID;
CREATE INDEX client_messages_age ON client_messages (created_at);

-- Shown to the author alone.
ALTER TABLE room_events ADD COLUMN client_id TEXT;
