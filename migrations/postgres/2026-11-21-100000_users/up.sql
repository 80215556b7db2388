-- username_key and email_key hold the lower-case form, folded by the application: lower() would follow the
-- database's locale here and ASCII alone in SQLite. Text that is compared bytewise is COLLATE "C", so that prefix
-- searches use the indexes and orders are the same on both databases.
CREATE TABLE users (
    id TEXT COLLATE "C" PRIMARY KEY,
    number BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    username TEXT NOT NULL,
    username_key TEXT COLLATE "C" NOT NULL UNIQUE,
    email TEXT,
    email_key TEXT COLLATE "C" UNIQUE,
    display_name TEXT NOT NULL,
    display_name_key TEXT COLLATE "C" NOT NULL,
    -- NULL: known from a token only, cannot log in here.
    password_hash TEXT,
    role TEXT NOT NULL,
    tokens_not_before TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX users_display_name_key ON users (display_name_key);

CREATE TABLE refresh_tokens (
    id UUID PRIMARY KEY,
    -- All tokens that came of one login.
    family UUID NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);
