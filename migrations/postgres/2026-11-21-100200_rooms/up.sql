-- One notion of a room under all dialects. (kind, key) is what makes it that room and no other: for a channel its
-- group and folded name, for a direct conversation the sorted pair of users.
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
    -- Place of the room's last event.
    seq BIGINT NOT NULL DEFAULT 0,
    -- Which life of the sequence: milliseconds of the room's creation.
    epoch BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (kind, key)
) WITH (fillfactor = 50); -- seq changes with every commit: room for the new version on the same page
CREATE INDEX rooms_group ON rooms (group_id) WHERE group_id IS NOT NULL;

CREATE TABLE room_members (
    room_id UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_members_user ON room_members (user_id);
