-- username_key and email_key contain the lower-case form, folded by the application: lower() folds only ASCII here.
-- number is the rowid, because SQLite generates numbers for nothing else; other tables refer to id.
CREATE TABLE users (
    id TEXT NOT NULL UNIQUE,
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    email TEXT,
    email_key TEXT UNIQUE,
    display_name TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    -- NULL: provisioned from a token, cannot log in here.
    password_hash TEXT,
    role TEXT NOT NULL,
    -- All times are milliseconds since 1970, UTC.
    tokens_not_before BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX users_display_name_key ON users (display_name_key);

CREATE TABLE refresh_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    -- Shared by all tokens that derive from one login.
    family BLOB NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);
