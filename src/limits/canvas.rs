//! Bounds of canvases.

use std::time::Duration;

/// Tiles along one side of a canvas.
pub const CANVAS_SIDE_MAX: i32 = 1_000_000;
/// Characters of a chat message on a canvas.
pub const CANVAS_CHAT_CHARS_MAX: usize = 2_000;
/// Characters of a tile's content.
pub const TILE_CONTENT_CHARS_MAX: usize = 8_192;
/// Tiles in one answer.
pub const PAGE_TILES_MAX: i64 = 10_000;
/// Events of a canvas that its activity feed reaches back.
pub const CANVAS_ACTIVITY_MAX: i64 = 10_000;
/// Entries of an activity feed in one answer.
pub const PAGE_ACTIVITY_MAX: i64 = 100;
/// Entries of an activity feed in one answer by default.
pub const PAGE_ACTIVITY_DEFAULT: i64 = 50;
/// Canvases in a page.
pub const PAGE_CANVASES_MAX: i64 = 100;
/// Canvases in a page by default.
pub const PAGE_CANVASES_DEFAULT: i64 = 50;
/// Characters of the name of an activity, and of the kind of a highlight.
pub const ACTIVITY_NAME_CHARS_MAX: usize = 64;
/// Bytes of the data of an activity, which are stored.
pub const ACTIVITY_DATA_BYTES_MAX: usize = 8 * 1024;
/// Milliseconds for which a tile may be highlighted.
pub const HIGHLIGHT_MS_MAX: i64 = 600_000;
/// Milliseconds for which a tile is highlighted if its client does not say for how long.
pub const HIGHLIGHT_MS_DEFAULT: i64 = 3_000;
/// Comments in one answer.
pub const PAGE_COMMENTS_MAX: i64 = 100;
/// Comments in one answer by default.
pub const PAGE_COMMENTS_DEFAULT: i64 = 50;
/// The creator of a tile is notified of a like at most once in this time for each tile.
pub const LIKE_NOTICE_PERIOD: Duration = Duration::from_secs(60);
/// Tiles for which the time of the last such notification is remembered; then all are forgotten.
pub const LIKE_NOTICES_REMEMBERED_MAX: usize = 1_000;
/// Tiles of one canvas that are edited at the same time.
pub const TILE_LOCKS_MAX: usize = 10_000;
