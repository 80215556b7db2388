-- Until when the user is shut out for going on after refusals; 0: not.
ALTER TABLE users ADD COLUMN blocked_until BIGINT NOT NULL DEFAULT 0;
