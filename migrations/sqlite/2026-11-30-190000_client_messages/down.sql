DROP TABLE client_messages;
ALTER TABLE room_events DROP COLUMN client_id;
