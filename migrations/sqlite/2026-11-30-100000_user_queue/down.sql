CREATE TABLE offline_queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    event_id BLOB NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, room_id, seq)
);
CREATE INDEX offline_queue_order ON offline_queue (user_id, position);
CREATE TABLE notification_queue (
    notification_id BLOB NOT NULL PRIMARY KEY REFERENCES notifications (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    rank INTEGER NOT NULL,
    leased_until BIGINT NOT NULL
);
CREATE INDEX notification_queue_order ON notification_queue (user_id, rank, notification_id);

INSERT INTO offline_queue (user_id, room_id, seq, event_id, payload, created_at)
SELECT user_id, room_id, seq, event_id, payload, created_at FROM user_queue WHERE event_id IS NOT NULL ORDER BY position;
INSERT INTO notification_queue (notification_id, user_id, rank, leased_until)
SELECT notification_id, user_id, rank, leased_until FROM user_queue WHERE notification_id IS NOT NULL;

DROP TABLE user_queue;
