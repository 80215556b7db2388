-- Shared sheets. A sheet belongs to the room in which it was first written; every write holds the lock of that room's row.
CREATE TABLE sheets (
    id TEXT COLLATE "C" PRIMARY KEY,
    room_id UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    -- The last change of a cell.
    updated_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50); -- updated_at changes with every commit: leaves space for the new row version on the same page
-- updated_at is not indexed, because every commit would then add an index entry; a room has few sheets.
CREATE INDEX sheets_room ON sheets (room_id);

-- All cells that were ever written, in the order in which ranges are read. A cleared cell keeps its version.
CREATE TABLE sheet_cells (
    sheet_id TEXT COLLATE "C" NOT NULL REFERENCES sheets (id) ON DELETE CASCADE,
    row_index INTEGER NOT NULL,
    column_index INTEGER NOT NULL,
    -- A JSON scalar as the client sent it.
    value TEXT NOT NULL,
    formula TEXT,
    version BIGINT NOT NULL,
    -- The user who last changed it.
    user_id TEXT COLLATE "C" NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (sheet_id, row_index, column_index)
) WITH (fillfactor = 80); -- cells are updated more often than inserted
