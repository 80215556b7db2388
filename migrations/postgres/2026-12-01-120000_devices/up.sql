-- The devices with which users encrypt messages end to end, with their public keys.
CREATE TABLE devices (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Chosen by the device.
    id TEXT COLLATE "C" NOT NULL,
    name TEXT,
    -- A JSON object that only clients interpret.
    keys TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, id)
);

-- Public keys of devices that are given out once. Those that were given out are kept for a day, so that a device that
-- repeats an upload does not offer them again.
CREATE TABLE device_prekeys (
    user_id TEXT COLLATE "C" NOT NULL,
    device_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    prekey TEXT NOT NULL,
    -- To whom it was given out, and when.
    claimed_by TEXT,
    claimed_at TIMESTAMPTZ,
    PRIMARY KEY (user_id, device_id, id),
    FOREIGN KEY (user_id, device_id) REFERENCES devices (user_id, id) ON DELETE CASCADE
);
