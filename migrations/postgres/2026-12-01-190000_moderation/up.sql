-- Counts the changes of sanctions and word rules, so that nodes notice cheaply that they must read them again.
CREATE TABLE moderation_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO moderation_version (id, version) VALUES (1, 0);

-- Who may not speak in a room or enter it. Without a room: on the whole server.
CREATE TABLE sanctions (
    id UUID PRIMARY KEY,
    room_id UUID REFERENCES rooms (id) ON DELETE CASCADE,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- mute or ban
    kind TEXT NOT NULL CHECK (kind IN ('mute', 'ban')),
    reason TEXT NOT NULL,
    by_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- It counts until this moment. A sanction that is lifted ends at that moment.
    ends_at TIMESTAMPTZ NOT NULL,
    -- The version at which it was changed last.
    version BIGINT NOT NULL
);
-- Every message of a user is compared with the sanctions of that user.
CREATE INDEX sanctions_of_user ON sanctions (user_id, ends_at);
CREATE INDEX sanctions_of_room ON sanctions (room_id, ends_at);
CREATE INDEX sanctions_active ON sanctions (ends_at);

-- Words that are refused or masked in a room. Without a room: on the whole server.
CREATE TABLE word_rules (
    id UUID PRIMARY KEY,
    room_id UUID REFERENCES rooms (id) ON DELETE CASCADE,
    phrase TEXT NOT NULL,
    -- refuse or mask
    action TEXT NOT NULL CHECK (action IN ('refuse', 'mask')),
    by_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX word_rules_of_room ON word_rules (room_id);

-- What users report to moderators.
CREATE TABLE reports (
    id UUID PRIMARY KEY,
    room_id UUID REFERENCES rooms (id) ON DELETE CASCADE,
    reporter_id TEXT NOT NULL,
    -- The reported person, or the author of what is reported.
    subject_id TEXT NOT NULL,
    -- message, tile or user, and which one.
    target TEXT NOT NULL CHECK (target IN ('message', 'tile', 'user')),
    target_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- The reported content as it was.
    excerpt TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'claimed', 'resolved')),
    claimed_by TEXT,
    decision TEXT,
    note TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    resolved_at TIMESTAMPTZ,
    CHECK ((state = 'resolved') = (decision IS NOT NULL))
);
CREATE INDEX reports_by_room ON reports (room_id, id);
-- Nobody reports the same thing twice while it is not resolved.
CREATE UNIQUE INDEX reports_pending ON reports (reporter_id, target, target_id) WHERE state <> 'resolved';

-- Everything that moderators and administrators did. Rows are only added.
CREATE TABLE audit_log (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    actor_id TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_id TEXT,
    room_id UUID,
    -- A JSON object.
    details TEXT NOT NULL,
    -- From where it was asked.
    address TEXT NOT NULL
);
CREATE INDEX audit_log_of_room ON audit_log (room_id, position);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log can only be appended to';
END $$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
