-- What everybody may do with a document: private, view, comment or edit.
ALTER TABLE rooms ADD COLUMN access TEXT;

-- A document is its last stored state and the events of its room after that, which are kept until a later state is stored.
CREATE TABLE document_states (
    room_id UUID PRIMARY KEY REFERENCES rooms (id) ON DELETE CASCADE,
    -- The last event that the state contains.
    seq BIGINT NOT NULL,
    -- An update in the encoding of Yjs.
    state BYTEA NOT NULL,
    stored_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE document_versions (
    room_id UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    -- Counted from 1.
    number INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    name TEXT,
    author_id TEXT COLLATE "C" NOT NULL,
    author_username TEXT NOT NULL,
    state BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (room_id, number)
);
