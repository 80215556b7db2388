DROP TABLE document_versions;
DROP TABLE document_states;
DELETE FROM rooms WHERE kind = 'document';
ALTER TABLE rooms DROP COLUMN access;
