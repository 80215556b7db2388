-- What users say about tiles. A comment goes with its tile.
CREATE TABLE tile_comments (
    -- That of the event that stored it, which is at this place in the log of the canvas.
    id BLOB NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    tile_id BIGINT NOT NULL REFERENCES tiles (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tile_comments_of_tile ON tile_comments (tile_id, id);
