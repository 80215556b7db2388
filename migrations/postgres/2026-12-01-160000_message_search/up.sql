-- Full-text search. The index is written after the messages, by one node at a time, because writing it takes longer than
-- storing a message; until then a message is found through search_queue.

-- Messages that are to be indexed, or indexed again after a change.
CREATE TABLE search_queue (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id UUID NOT NULL
);

-- The indexed messages.
CREATE TABLE message_search (
    -- The order of results: the time of the message, then its place in its room.
    number BIGINT PRIMARY KEY,
    message_id UUID NOT NULL UNIQUE,
    room_id UUID NOT NULL,
    -- All keys of the message begin with it: see search_buckets.
    bucket BIGINT NOT NULL,
    -- The keys, made by the application, so that both databases find the same.
    words TSVECTOR NOT NULL
);
-- Without the list of pending entries, which every search would have to read.
CREATE INDEX message_search_words ON message_search USING GIN (words) WITH (fastupdate = off);

-- Parts of the index with a bounded number of messages, so that the search for a common word reads only the newest ones.
CREATE TABLE search_buckets (
    id BIGINT PRIMARY KEY,
    lowest BIGINT NOT NULL,
    highest BIGINT NOT NULL,
    messages BIGINT NOT NULL
);

-- One row. Who writes the index locks it.
CREATE TABLE search_state (
    id BIGINT PRIMARY KEY,
    -- The bucket of new messages, and that of messages from before this migration.
    bucket BIGINT,
    old_bucket BIGINT,
    -- Messages with lower ids are still to be indexed, from the newest to the oldest. NULL: there are none.
    old_before UUID
);
INSERT INTO search_state (id, old_before)
SELECT 1, CASE WHEN EXISTS (SELECT 1 FROM messages) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID END;

-- Triggers, because nodes of an older release may store messages while the cluster is being upgraded.
CREATE FUNCTION queue_sent_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (message_id) SELECT id FROM sent WHERE content <> '' AND content_type IS DISTINCT FROM 'encrypted';
    RETURN NULL;
END $$;
CREATE TRIGGER search_sent AFTER INSERT ON messages REFERENCING NEW TABLE AS sent
    FOR EACH STATEMENT EXECUTE FUNCTION queue_sent_messages();

CREATE FUNCTION queue_changed_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_queue (message_id) VALUES (OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER search_changed AFTER DELETE OR UPDATE OF content, deleted_at, created_at ON messages
    FOR EACH ROW EXECUTE FUNCTION queue_changed_message();

-- To which rooms a search can be confined.
CREATE INDEX rooms_public ON rooms (id) WHERE visibility = 'open';
CREATE INDEX rooms_owner ON rooms (owner_id);
