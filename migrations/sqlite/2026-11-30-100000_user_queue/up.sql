-- One queue per user: notifications and messages that were not written to any socket of the user yet. It replaces
-- offline_queue and notification_queue, whose rows move here.
CREATE TABLE user_queue (
    -- The order of arrival.
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    -- 0: high and critical notifications, which are delivered first; 1: everything else.
    rank INTEGER NOT NULL,
    -- The end of a socket's lease: until then no other socket delivers it.
    leased_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- A notification; or a stored event of a room, with its payload, because the room's log is trimmed.
    notification_id BLOB UNIQUE REFERENCES notifications (id) ON DELETE CASCADE,
    room_id BLOB,
    seq BIGINT,
    event_id BLOB,
    payload TEXT,
    UNIQUE (user_id, event_id),
    CHECK ((notification_id IS NULL) = (event_id IS NOT NULL)),
    CHECK ((event_id IS NULL) = (room_id IS NULL)
        AND (event_id IS NULL) = (seq IS NULL) AND (event_id IS NULL) = (payload IS NULL))
);
CREATE INDEX user_queue_order ON user_queue (user_id, rank, position);
-- Editing a message also updates its copies here.
CREATE INDEX user_queue_event ON user_queue (event_id) WHERE event_id IS NOT NULL;

INSERT INTO user_queue (user_id, rank, leased_until, created_at, notification_id, room_id, seq, event_id, payload)
SELECT user_id, rank, leased_until, created_at, notification_id, room_id, seq, event_id, payload FROM (
    SELECT q.user_id, q.rank, q.leased_until, n.created_at, q.notification_id,
        NULL AS room_id, NULL AS seq, NULL AS event_id, NULL AS payload, 0 AS old_position
    FROM notification_queue AS q JOIN notifications AS n ON n.id = q.notification_id
    UNION ALL
    SELECT user_id, 1, 0, created_at, NULL, room_id, seq, event_id, payload, position FROM offline_queue
) AS old
ORDER BY created_at, old_position, notification_id;

DROP TABLE offline_queue;
DROP TABLE notification_queue;
