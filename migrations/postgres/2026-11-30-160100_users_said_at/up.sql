-- When the user's own issuer said the display name and the address that are stored: a newer token may change them.
ALTER TABLE users ADD COLUMN said_at TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
