-- A canvas is a room of the kind `canvas` whose key is `<id> <width> <height>`, so that the room's row says all that never
-- changes.
CREATE TABLE canvases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id BLOB NOT NULL UNIQUE REFERENCES rooms (id) ON DELETE CASCADE,
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    -- False once it is deactivated.
    is_active BOOLEAN NOT NULL
);

CREATE TABLE tiles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    canvas_id BIGINT NOT NULL REFERENCES canvases (id) ON DELETE CASCADE,
    x INTEGER NOT NULL CHECK (x >= 0),
    y INTEGER NOT NULL CHECK (y >= 0),
    content TEXT NOT NULL,
    -- The number of changes of the content, including its creation.
    version BIGINT NOT NULL CHECK (version > 0),
    -- The number of rows in tile_likes.
    likes BIGINT NOT NULL CHECK (likes >= 0),
    -- users.number
    creator BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Also the order in which regions are read.
    UNIQUE (canvas_id, x, y)
);

CREATE TABLE tile_likes (
    tile_id BIGINT NOT NULL REFERENCES tiles (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tile_id, user_id)
) WITHOUT ROWID;

-- The activity feed: the events of a canvas other than messages, without the contents of tiles. The log is trimmed earlier.
CREATE TABLE canvas_activity (
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    event_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, seq)
);
