-- Full-text search. The index is written after the messages, because writing it takes longer than storing a message; until
-- then a message is found through search_queue.

-- Messages that are to be indexed, or indexed again after a change.
CREATE TABLE search_queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id BLOB NOT NULL
);

-- The indexed messages.
CREATE TABLE message_search (
    -- The order of results: the time of the message, then its place in its room. The rowid of message_words.
    number INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL UNIQUE,
    room_id BLOB NOT NULL,
    -- All keys of the message begin with it: see search_buckets.
    bucket BIGINT NOT NULL
);

-- The keys of each message, made by the application, so that both databases find the same. They have no ASCII punctuation,
-- and that is all that separates words for this tokenizer. Neither texts nor positions of words are kept.
CREATE VIRTUAL TABLE message_words USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Parts of the index with a bounded number of messages, so that the search for a common word reads only the newest ones.
CREATE TABLE search_buckets (
    id BIGINT NOT NULL PRIMARY KEY,
    lowest BIGINT NOT NULL,
    highest BIGINT NOT NULL,
    messages BIGINT NOT NULL
);

-- One row.
CREATE TABLE search_state (
    id BIGINT NOT NULL PRIMARY KEY,
    -- The bucket of new messages, and that of messages from before this migration.
    bucket BIGINT,
    old_bucket BIGINT,
    -- Messages with lower ids are still to be indexed, from the newest to the oldest. NULL: there are none.
    old_before BLOB
);
INSERT INTO search_state (id, old_before)
SELECT 1, CASE WHEN EXISTS (SELECT 1 FROM messages) THEN x'ffffffffffffffffffffffffffffffff' END;

-- Triggers, as on PostgreSQL, where nodes of an older release may store messages while the cluster is being upgraded.
CREATE TRIGGER search_sent AFTER INSERT ON messages WHEN NEW.content <> '' AND NEW.content_type IS NOT 'encrypted' BEGIN
    INSERT INTO search_queue (message_id) VALUES (NEW.id);
END;
CREATE TRIGGER search_changed AFTER UPDATE OF content, deleted_at, created_at ON messages BEGIN
    INSERT INTO search_queue (message_id) VALUES (OLD.id);
END;
CREATE TRIGGER search_deleted AFTER DELETE ON messages BEGIN
    INSERT INTO search_queue (message_id) VALUES (OLD.id);
END;

-- To which rooms a search can be confined.
CREATE INDEX rooms_public ON rooms (id) WHERE visibility = 'open';
CREATE INDEX rooms_owner ON rooms (owner_id);
