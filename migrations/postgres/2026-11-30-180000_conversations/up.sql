-- The last message of each room, so that listing conversations need not search the messages.
ALTER TABLE rooms ADD COLUMN message_seq BIGINT NOT NULL DEFAULT 0;
-- The time of that message; before the first one, the room's creation.
ALTER TABLE rooms ADD COLUMN active_at TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
UPDATE rooms SET active_at = created_at;
UPDATE rooms SET message_seq = last.seq, active_at = last.created_at
FROM (SELECT DISTINCT ON (room_id) room_id, seq, created_at FROM messages ORDER BY room_id, seq DESC) AS last
WHERE last.room_id = rooms.id;

-- NULL: text. The `content` of an encrypted message is the ciphertext.
ALTER TABLE messages ADD COLUMN content_type TEXT;
-- The ids of the mentioned users.
ALTER TABLE messages ADD COLUMN mentions JSON;

-- Participants of open rooms, private or not: users who joined or sent a message and have not left. It grants no rights;
-- `room_members` does. Channels and direct conversations need no rows here.
CREATE TABLE participants (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    room_id UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    joined_at TIMESTAMPTZ NOT NULL,
    -- The head of the room's log at that time: earlier messages do not count as unread.
    joined_seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id)
);
CREATE INDEX participants_room ON participants (room_id, user_id);

-- Messages that mention a user, for counting unread ones. The key order matches the counting query.
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
