-- Until when the user is shut out for going on after refusals; 1970: not.
ALTER TABLE users ADD COLUMN blocked_until TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
