-- The last message of each room, so that a list of conversations reads no message twice.
ALTER TABLE rooms ADD COLUMN message_seq BIGINT NOT NULL DEFAULT 0;
-- When that was; the room's creation before the first one.
ALTER TABLE rooms ADD COLUMN active_at TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
UPDATE rooms SET active_at = created_at;
UPDATE rooms SET message_seq = last.seq, active_at = last.created_at
FROM (SELECT DISTINCT ON (room_id) room_id, seq, created_at FROM messages ORDER BY room_id, seq DESC) AS last
WHERE last.room_id = rooms.id;

-- NULL: text. Of an encrypted message `content` is the ciphertext.
ALTER TABLE messages ADD COLUMN content_type TEXT;
-- The ids of the users whom it mentions.
ALTER TABLE messages ADD COLUMN mentions JSON;

-- Who takes part in an open room, be it private or not: whoever joined it or sent to it, and has not left. It does not say
-- who may enter: `room_members` does. Channels and direct conversations need no rows here.
CREATE TABLE participants (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    room_id UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    joined_at TIMESTAMPTZ NOT NULL,
    -- Where the room's log stood: what came before is not unread.
    joined_seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id)
);
CREATE INDEX participants_room ON participants (room_id, user_id);

-- Which messages mention a user, for counting those that are unread. The order of the key is that of the count.
CREATE TABLE message_mentions (
    user_id TEXT COLLATE "C" NOT NULL,
    room_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id, seq)
);

CREATE TABLE message_reactions (
    message_id UUID NOT NULL,
    emoji TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);
