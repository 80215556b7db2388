-- The end of the user's block for exceeding the rate limit; 1970: not blocked.
ALTER TABLE users ADD COLUMN blocked_until TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
