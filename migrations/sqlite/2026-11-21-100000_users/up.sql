-- username_key and email_key hold the lower-case form, folded by the application: lower() knows ASCII alone here.
-- number is the rowid, since SQLite numbers nothing else by itself; id is what the rest refers to.
CREATE TABLE users (
    id TEXT NOT NULL UNIQUE,
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    email TEXT,
    email_key TEXT UNIQUE,
    display_name TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    -- NULL: known from a token only, cannot log in here.
    password_hash TEXT,
    role TEXT NOT NULL,
    -- All times are milliseconds since 1970, UTC.
    tokens_not_before BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX users_display_name_key ON users (display_name_key);

CREATE TABLE refresh_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    -- All tokens that came of one login.
    family BLOB NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);
