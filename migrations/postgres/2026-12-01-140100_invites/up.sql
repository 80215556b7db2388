-- Invites to spaces. An invite is a notification of type 'invites', which other programs may read; this table has what decides
-- about it. Deleting the notification deletes the invite.
CREATE TABLE invites (
    id UUID PRIMARY KEY REFERENCES notifications (id) ON DELETE CASCADE,
    space_id UUID NOT NULL REFERENCES spaces (room_id) ON DELETE CASCADE,
    from_user TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    to_user TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'declined', 'expired')),
    -- The text that the sender wrote, or the name of a text.
    message TEXT,
    template TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    -- When it was accepted or declined.
    decided_at TIMESTAMPTZ,
    -- When the invited user is reminded; NULL once that has happened.
    remind_at TIMESTAMPTZ,
    CHECK ((state IN ('accepted', 'declined')) = (decided_at IS NOT NULL))
);
-- One pending invite per user and space.
CREATE UNIQUE INDEX invites_pending ON invites (space_id, to_user) WHERE state = 'pending';
CREATE INDEX invites_received ON invites (to_user, created_at, id);
CREATE INDEX invites_sent ON invites (from_user, created_at, id);
CREATE INDEX invites_reminders ON invites (remind_at) WHERE state = 'pending' AND remind_at IS NOT NULL;
