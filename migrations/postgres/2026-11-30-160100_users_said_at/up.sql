-- When the user's own issuer set the stored display name and e-mail address: a newer token may change them.
ALTER TABLE users ADD COLUMN said_at TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
