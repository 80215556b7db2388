-- The Upload-Metadata of who began the upload, verbatim: it is answered as it came.
ALTER TABLE files ADD COLUMN metadata TEXT;
