-- username_key and email_key contain the lower-case form, folded by the application: lower() would depend on the
-- database's locale here and fold only ASCII in SQLite. Text that is compared bytewise is COLLATE "C", so that prefix
-- searches use the indexes and the order is the same on both databases.
CREATE TABLE users (
    id TEXT COLLATE "C" PRIMARY KEY,
    number BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    username TEXT NOT NULL,
    username_key TEXT COLLATE "C" NOT NULL UNIQUE,
    email TEXT,
    email_key TEXT COLLATE "C" UNIQUE,
    display_name TEXT NOT NULL,
    display_name_key TEXT COLLATE "C" NOT NULL,
    -- NULL: provisioned from a token, cannot log in here.
    password_hash TEXT,
    role TEXT NOT NULL,
    tokens_not_before TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX users_display_name_key ON users (display_name_key);

CREATE TABLE refresh_tokens (
    id UUID PRIMARY KEY,
    -- Shared by all tokens that derive from one login.
    family UUID NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);
