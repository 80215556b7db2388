-- Spaces of the metaverse dialect. The room of a space, of kind 'space', has its name, its owner, its log and its visibility:
-- anybody may visit an open one, only members enter a private one.
CREATE TABLE spaces (
    room_id BLOB NOT NULL PRIMARY KEY REFERENCES rooms (id) ON DELETE CASCADE,
    capacity INTEGER NOT NULL,
    -- The number of rows in space_members, kept by triggers.
    members INTEGER NOT NULL DEFAULT 0,
    -- Moves are sent to those who are nearer than about this; NULL: to everybody.
    interest_radius INTEGER,
    CONSTRAINT spaces_capacity CHECK (members BETWEEN 0 AND capacity)
);

CREATE TABLE space_members (
    room_id BLOB NOT NULL REFERENCES spaces (room_id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('admin', 'member')),
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, user_id)
) WITHOUT ROWID;
CREATE INDEX space_members_user ON space_members (user_id, room_id);

CREATE TRIGGER space_member_added AFTER INSERT ON space_members BEGIN
    UPDATE spaces SET members = members + 1 WHERE room_id = NEW.room_id;
END;
CREATE TRIGGER space_member_removed AFTER DELETE ON space_members BEGIN
    UPDATE spaces SET members = members - 1 WHERE room_id = OLD.room_id;
END;
