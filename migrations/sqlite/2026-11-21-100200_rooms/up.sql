-- One kind of room for all dialects. (kind, key) identifies a room: for a channel its group and folded name, for a direct
-- conversation the sorted pair of users.
CREATE TABLE rooms (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    visibility TEXT NOT NULL,
    capacity INTEGER,
    settings TEXT NOT NULL,
    owner_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    group_id BLOB REFERENCES groups (id) ON DELETE CASCADE,
    medium TEXT,
    -- The seq of the room's last event.
    seq BIGINT NOT NULL DEFAULT 0,
    -- Identifies the incarnation of the sequence: the room's creation time in milliseconds.
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (kind, key)
);
CREATE INDEX rooms_group ON rooms (group_id) WHERE group_id IS NOT NULL;

CREATE TABLE room_members (
    room_id BLOB NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (room_id, user_id)
) WITHOUT ROWID;
CREATE INDEX room_members_user ON room_members (user_id);
