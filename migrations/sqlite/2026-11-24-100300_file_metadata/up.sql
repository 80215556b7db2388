-- The Upload-Metadata header that started the upload, returned unchanged.
ALTER TABLE files ADD COLUMN metadata TEXT;
