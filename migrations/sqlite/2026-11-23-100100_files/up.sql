-- Uploads, finished or not. What a file consists of is in storage: see file_parts.
CREATE TABLE files (
    id BLOB NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    -- For people; never a path anywhere.
    name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    -- How much of it has arrived and is on the disk.
    received_bytes BIGINT NOT NULL,
    -- Who writes at present, and when something of it was stored last.
    lease BLOB,
    leased_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    completed_at BIGINT,
    -- For unfinished ones.
    expires_at BIGINT NOT NULL
);
CREATE INDEX files_owner ON files (owner_id, id);
CREATE INDEX files_unfinished ON files (expires_at) WHERE completed_at IS NULL;

-- The pieces that a file consists of, one for each run in which it was written.
CREATE TABLE file_parts (
    file_id BLOB NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    start_byte BIGINT NOT NULL,
    length_bytes BIGINT NOT NULL,
    -- Under which name it is stored, within the file.
    name TEXT NOT NULL,
    PRIMARY KEY (file_id, start_byte)
);

-- The rooms whose members may fetch a file. No foreign keys: a message that brings a file somewhere must not fail
-- because the file was deleted a moment ago.
CREATE TABLE file_rooms (
    file_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    PRIMARY KEY (file_id, room_id)
);

-- The files that go with a message, as they were when it was sent.
ALTER TABLE messages ADD COLUMN attachments TEXT;
