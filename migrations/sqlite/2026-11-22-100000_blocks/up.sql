-- The end of the user's block for exceeding the rate limit; 0: not blocked.
ALTER TABLE users ADD COLUMN blocked_until BIGINT NOT NULL DEFAULT 0;
