//! Cells over the socket. How they are stored and read over REST is tested with the store and in `tests/server/sheets.rs`.
