-- What users are to know. The columns are other programs' contract; what has none (category, priority, module_name, whatever
-- the sender gave) is in data. Ids are sortable by time, so that a page is a range of the second index.
CREATE TABLE notifications (
    id UUID PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    data JSON NOT NULL,
    -- unread, read, dismissed
    status TEXT NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);
CREATE INDEX notifications_page ON notifications (user_id, id);
CREATE INDEX notifications_unread ON notifications (user_id) WHERE status = 'unread';
CREATE INDEX notifications_expiry ON notifications (expires_at) WHERE expires_at IS NOT NULL;

-- Those that no socket of their user has heard yet.
CREATE TABLE notification_queue (
    notification_id UUID PRIMARY KEY REFERENCES notifications (id) ON DELETE CASCADE,
    user_id TEXT COLLATE "C" NOT NULL,
    -- 0: high and critical ones, which go first; 1: the rest.
    rank INTEGER NOT NULL,
    -- Until then a socket has it in hand: nobody else tells it.
    leased_until TIMESTAMPTZ NOT NULL
);
CREATE INDEX notification_queue_order ON notification_queue (user_id, rank, notification_id);
