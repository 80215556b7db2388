-- For the list of blocked users.
CREATE INDEX users_blocked ON users (blocked_until);
