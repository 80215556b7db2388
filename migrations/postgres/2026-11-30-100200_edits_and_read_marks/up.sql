ALTER TABLE messages ADD COLUMN edited_at TIMESTAMPTZ;
-- Set when the message is deleted. The row stays, without text and attachments, so that history and unread counts stay correct.
ALTER TABLE messages ADD COLUMN deleted_at TIMESTAMPTZ;

-- How far each user has read each room. It only advances.
CREATE TABLE read_marks (
    room_id UUID NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
