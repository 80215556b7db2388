-- Shared sheets. Each belongs to the room that it was first written in; all who write it hold that room's lock.
CREATE TABLE sheets (
    id TEXT COLLATE "C" PRIMARY KEY,
    room_id UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    -- When a cell was changed last.
    updated_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50); -- updated_at changes with every commit: room for the new version on the same page
-- Not on updated_at, which would then cost an index entry with every commit; a room has few sheets.
CREATE INDEX sheets_room ON sheets (room_id);

-- The cells that were ever written, in the order in which ranges are read. A cleared cell keeps its version.
CREATE TABLE sheet_cells (
    sheet_id TEXT COLLATE "C" NOT NULL REFERENCES sheets (id) ON DELETE CASCADE,
    row_index INTEGER NOT NULL,
    column_index INTEGER NOT NULL,
    -- A JSON scalar as the client wrote it.
    value TEXT NOT NULL,
    formula TEXT,
    version BIGINT NOT NULL,
    -- Who changed it last.
    user_id TEXT COLLATE "C" NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (sheet_id, row_index, column_index)
) WITH (fillfactor = 80); -- cells are changed more often than made
