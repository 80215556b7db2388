-- A canvas is a room of the kind `canvas` whose key is `<id> <width> <height>`, so that the room's row says all that never
-- changes.
CREATE TABLE canvases (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id UUID NOT NULL UNIQUE REFERENCES rooms (id) ON DELETE CASCADE,
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    -- False once it is deactivated. Changed under the lock of the room's row, so that no change of a tile follows.
    is_active BOOLEAN NOT NULL
);

-- Every write holds the lock of the room's row.
CREATE TABLE tiles (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- Also the order in which regions are read.
    UNIQUE (canvas_id, x, y)
) WITH (fillfactor = 80); -- leaves space for new row versions on the same page

CREATE TABLE tile_likes (
    tile_id BIGINT NOT NULL REFERENCES tiles (id) ON DELETE CASCADE,
    user_id TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tile_id, user_id)
);

-- The activity feed: the events of a canvas other than messages, without the contents of tiles. The log is trimmed earlier.
CREATE TABLE canvas_activity (
    room_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    event_id UUID NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    payload JSON NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (room_id, seq)
);
