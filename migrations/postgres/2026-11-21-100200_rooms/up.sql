-- One kind of room for all dialects. (kind, key) identifies a room: for a channel its group and folded name, for a direct
-- conversation the sorted pair of users.
CREATE TABLE rooms (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    visibility TEXT NOT NULL,
    capacity INTEGER,
    settings JSON NOT NULL,
    owner_id TEXT COLLATE "C" REFERENCES users (id) ON DELETE SET NULL,
    group_id UUID REFERENCES groups (id) ON DELETE CASCADE,
    medium TEXT,
    -- The seq of the room's last event.
    seq BIGINT NOT NULL DEFAULT 0,
    -- Identifies the incarnation of the sequence: the room's creation time in milliseconds.
    epoch BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (kind, key)
) WITH (fillfactor = 50); -- seq changes with every commit: leaves space for the new row version on the same page
CREATE INDEX rooms_group ON rooms (group_id) WHERE group_id IS NOT NULL;

CREATE TABLE room_members (
    room_id UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_members_user ON room_members (user_id);
