-- Shared sheets. A sheet belongs to the room in which it was first written.
CREATE TABLE sheets (
    id TEXT NOT NULL PRIMARY KEY,
    room_id BLOB NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    -- The last change of a cell.
    updated_at BIGINT NOT NULL
);
-- updated_at is not indexed, because every commit would then add an index entry; a room has few sheets.
CREATE INDEX sheets_room ON sheets (room_id);

-- All cells that were ever written, in the order in which ranges are read. A cleared cell keeps its version.
CREATE TABLE sheet_cells (
    sheet_id TEXT NOT NULL REFERENCES sheets (id) ON DELETE CASCADE,
    row_index INTEGER NOT NULL,
    column_index INTEGER NOT NULL,
    -- A JSON scalar as the client sent it.
    value TEXT NOT NULL,
    formula TEXT,
    version BIGINT NOT NULL,
    -- The user who last changed it.
    user_id TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (sheet_id, row_index, column_index)
) WITHOUT ROWID;
