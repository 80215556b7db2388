-- The last message of each room, so that a list of conversations reads no message twice.
ALTER TABLE rooms ADD COLUMN message_seq BIGINT NOT NULL DEFAULT 0;
-- When that was; the room's creation before the first one.
ALTER TABLE rooms ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;
UPDATE rooms SET active_at = created_at,
    message_seq = COALESCE((SELECT max(seq) FROM messages WHERE messages.room_id = rooms.id), 0);
UPDATE rooms SET active_at =
    (SELECT created_at FROM messages WHERE messages.room_id = rooms.id AND messages.seq = rooms.message_seq)
WHERE message_seq > 0;

-- NULL: text. Of an encrypted message `content` is the ciphertext.
ALTER TABLE messages ADD COLUMN content_type TEXT;
-- The ids of the users whom it mentions.
ALTER TABLE messages ADD COLUMN mentions TEXT;

-- Who takes part in an open room, be it private or not: whoever joined it or sent to it, and has not left. It does not say
-- who may enter: `room_members` does. Channels and direct conversations need no rows here.
CREATE TABLE participants (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    room_id BLOB NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    joined_at BIGINT NOT NULL,
    -- Where the room's log stood: what came before is not unread.
    joined_seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id)
) WITHOUT ROWID;
CREATE INDEX participants_room ON participants (room_id, user_id);

-- Which messages mention a user, for counting those that are unread. The order of the key is that of the count.
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
