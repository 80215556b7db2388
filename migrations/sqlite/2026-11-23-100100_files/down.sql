ALTER TABLE messages DROP COLUMN attachments;
DROP TABLE file_rooms;
DROP TABLE file_parts;
DROP TABLE files;
