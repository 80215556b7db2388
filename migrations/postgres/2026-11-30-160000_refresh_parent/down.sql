DROP INDEX refresh_tokens_parent;
ALTER TABLE refresh_tokens DROP COLUMN parent;
