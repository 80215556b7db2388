-- Counts the changes of sanctions and word rules, so that nodes notice cheaply that they must read them again.
CREATE TABLE moderation_version (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO moderation_version (id, version) VALUES (1, 0);

-- Who may not speak in a room or enter it. Without a room: on the whole server.
CREATE TABLE sanctions (
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB REFERENCES rooms (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- mute or ban
    kind TEXT NOT NULL CHECK (kind IN ('mute', 'ban')),
    reason TEXT NOT NULL,
    by_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- It counts until this moment. A sanction that is lifted ends at that moment.
    ends_at BIGINT NOT NULL,
    -- The version at which it was changed last.
    version BIGINT NOT NULL
) WITHOUT ROWID;
-- Every message of a user is compared with the sanctions of that user.
CREATE INDEX sanctions_of_user ON sanctions (user_id, ends_at);
CREATE INDEX sanctions_of_room ON sanctions (room_id, ends_at);
CREATE INDEX sanctions_active ON sanctions (ends_at);

-- Words that are refused or masked in a room. Without a room: on the whole server.
CREATE TABLE word_rules (
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB REFERENCES rooms (id) ON DELETE CASCADE,
    phrase TEXT NOT NULL,
    -- refuse or mask
    action TEXT NOT NULL CHECK (action IN ('refuse', 'mask')),
    by_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX word_rules_of_room ON word_rules (room_id);

-- What users report to moderators.
CREATE TABLE reports (
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB REFERENCES rooms (id) ON DELETE CASCADE,
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
    created_at BIGINT NOT NULL,
    resolved_at BIGINT,
    CHECK ((state = 'resolved') = (decision IS NOT NULL))
) WITHOUT ROWID;
CREATE INDEX reports_by_room ON reports (room_id, id);
-- Nobody reports the same thing twice while it is not resolved.
CREATE UNIQUE INDEX reports_pending ON reports (reporter_id, target, target_id) WHERE state <> 'resolved';

-- Everything that moderators and administrators did. Rows are only added.
CREATE TABLE audit_log (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    created_at BIGINT NOT NULL,
    actor_id TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_id TEXT,
    room_id BLOB,
    -- A JSON object.
    details TEXT NOT NULL,
    -- From where it was asked.
    address TEXT NOT NULL
);
CREATE INDEX audit_log_of_room ON audit_log (room_id, position);

CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log can only be appended to');
END;
CREATE TRIGGER audit_log_is_not_shortened BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log can only be appended to');
END;
