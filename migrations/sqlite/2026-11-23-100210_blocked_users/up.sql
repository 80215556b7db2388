-- For the list of those who are shut out.
CREATE INDEX users_blocked ON users (blocked_until);
