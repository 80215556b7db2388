ALTER TABLE files DROP COLUMN metadata;
