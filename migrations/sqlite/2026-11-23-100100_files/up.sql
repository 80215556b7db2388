-- Uploads, complete or not. The contents are in the file storage: see file_parts.
CREATE TABLE files (
    id BLOB NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    -- For display only; never used as a path.
    name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    -- Received bytes that are durable.
    received_bytes BIGINT NOT NULL,
    -- The lease of the current writer, and the time of its last progress.
    lease BLOB,
    leased_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    completed_at BIGINT,
    -- Only for unfinished uploads.
    expires_at BIGINT NOT NULL
);
CREATE INDEX files_owner ON files (owner_id, id);
CREATE INDEX files_unfinished ON files (expires_at) WHERE completed_at IS NULL;

-- The parts of a file; each request that writes to it adds at least one.
CREATE TABLE file_parts (
    file_id BLOB NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    start_byte BIGINT NOT NULL,
    length_bytes BIGINT NOT NULL,
    -- The name in the file storage, within the file.
    name TEXT NOT NULL,
    PRIMARY KEY (file_id, start_byte)
);

-- The rooms whose members may download a file. No foreign keys: a message that shares a file must not fail because the
-- file was deleted a moment ago.
CREATE TABLE file_rooms (
    file_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    PRIMARY KEY (file_id, room_id)
);

-- The files attached to a message, as they were when it was sent.
ALTER TABLE messages ADD COLUMN attachments TEXT;
