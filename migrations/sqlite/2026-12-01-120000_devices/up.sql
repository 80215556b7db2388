-- The devices with which users encrypt messages end to end, with their public keys.
CREATE TABLE devices (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Chosen by the device.
    id TEXT NOT NULL,
    name TEXT,
    -- A JSON object that only clients interpret.
    keys TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

-- Public keys of devices that are given out once. Those that were given out are kept for a day, so that a device that
-- repeats an upload does not offer them again.
CREATE TABLE device_prekeys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    id TEXT NOT NULL,
    prekey TEXT NOT NULL,
    -- To whom it was given out, and when.
    claimed_by TEXT,
    claimed_at BIGINT,
    PRIMARY KEY (user_id, device_id, id),
    FOREIGN KEY (user_id, device_id) REFERENCES devices (user_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
