-- The token that was exchanged for this one. Together with `used_at` it distinguishes a repeated request from the use of a token
-- that was replaced long ago.
ALTER TABLE refresh_tokens ADD COLUMN parent UUID;
CREATE INDEX refresh_tokens_parent ON refresh_tokens (parent);
