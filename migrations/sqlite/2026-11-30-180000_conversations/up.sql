-- The last message of each room, so that listing conversations need not search the messages.
ALTER TABLE rooms ADD COLUMN message_seq BIGINT NOT NULL DEFAULT 0;
-- The time of that message; before the first one, the room's creation.
ALTER TABLE rooms ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;
UPDATE rooms SET active_at = created_at,
    message_seq = COALESCE((SELECT max(seq) FROM messages WHERE messages.room_id = rooms.id), 0);
UPDATE rooms SET active_at =
    (SELECT created_at FROM messages WHERE messages.room_id = rooms.id AND messages.seq = rooms.message_seq)
WHERE message_seq > 0;

-- NULL: text. The `content` of an encrypted message is the ciphertext.
ALTER TABLE messages ADD COLUMN content_type TEXT;
-- The ids of the mentioned users.
ALTER TABLE messages ADD COLUMN mentions TEXT;

-- Participants of open rooms, private or not: users who joined or sent a message and have not left. It grants no rights;
-- `room_members` does. Channels and direct conversations need no rows here.
CREATE TABLE participants (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    room_id BLOB NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    joined_at BIGINT NOT NULL,
    -- The head of the room's log at that time: earlier messages do not count as unread.
    joined_seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id)
) WITHOUT ROWID;
CREATE INDEX participants_room ON participants (room_id, user_id);

-- Messages that mention a user, for counting unread ones. The key order matches the counting query.
CREATE TABLE message_mentions (
    user_id TEXT NOT NULL,
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id, seq)
) WITHOUT ROWID;

CREATE TABLE message_reactions (
    message_id BLOB NOT NULL,
    emoji TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
) WITHOUT ROWID;
