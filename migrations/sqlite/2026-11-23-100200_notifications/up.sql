-- Notifications of users. Other programs rely on the columns; fields without a column (category, priority, module_name, and
-- those of the sender) are in data. Ids sort by time, so that a page is a range of the second index.
CREATE TABLE notifications (
    id BLOB NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    data TEXT NOT NULL,
    -- unread, read, dismissed
    status TEXT NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX notifications_page ON notifications (user_id, id);
CREATE INDEX notifications_unread ON notifications (user_id) WHERE status = 'unread';
CREATE INDEX notifications_expiry ON notifications (expires_at) WHERE expires_at IS NOT NULL;

-- Notifications that were not delivered to any socket of their user yet.
CREATE TABLE notification_queue (
    notification_id BLOB NOT NULL PRIMARY KEY REFERENCES notifications (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    -- 0: high and critical ones, which are delivered first; 1: the others.
    rank INTEGER NOT NULL,
    -- The end of a socket's lease: until then no other socket delivers it.
    leased_until BIGINT NOT NULL
);
CREATE INDEX notification_queue_order ON notification_queue (user_id, rank, notification_id);
