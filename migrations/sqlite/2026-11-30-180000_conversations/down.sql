DROP TABLE message_reactions;
DROP TABLE message_mentions;
DROP TABLE participants;
ALTER TABLE messages DROP COLUMN mentions;
ALTER TABLE messages DROP COLUMN content_type;
ALTER TABLE rooms DROP COLUMN active_at;
ALTER TABLE rooms DROP COLUMN message_seq;
