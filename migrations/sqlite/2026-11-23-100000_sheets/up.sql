-- Shared sheets. Each belongs to the room that it was first written in.
CREATE TABLE sheets (
    id TEXT NOT NULL PRIMARY KEY,
    room_id BLOB NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    -- When a cell was changed last.
    updated_at BIGINT NOT NULL
);
-- Not on updated_at, which would then cost an index entry with every commit; a room has few sheets.
CREATE INDEX sheets_room ON sheets (room_id);

-- The cells that were ever written, in the order in which ranges are read. A cleared cell keeps its version.
CREATE TABLE sheet_cells (
    sheet_id TEXT NOT NULL REFERENCES sheets (id) ON DELETE CASCADE,
    row_index INTEGER NOT NULL,
    column_index INTEGER NOT NULL,
    -- A JSON scalar as the client wrote it.
    value TEXT NOT NULL,
    formula TEXT,
    version BIGINT NOT NULL,
    -- Who changed it last.
    user_id TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (sheet_id, row_index, column_index)
) WITHOUT ROWID;
