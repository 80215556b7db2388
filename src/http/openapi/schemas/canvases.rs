//! The fields of canvases and tiles.

use super::*;

/// The number of tiles along one side of a canvas.
pub fn canvas_side() -> Object {
    whole_number(1, limits::CANVAS_SIDE_MAX.into())
}

/// A coordinate of a tile.
pub fn coordinate() -> Object {
    whole_number(0, i64::from(limits::CANVAS_SIDE_MAX) - 1)
}

/// The id of a canvas, or the number of a user.
pub fn canvas_id() -> Object {
    whole_number(1, limits::COUNT_MAX)
}

/// A `seq` in a query.
pub fn seq_in_query() -> Object {
    whole_number(0, limits::COUNT_MAX)
}

/// The version of a tile.
pub fn tile_version() -> Object {
    whole_number(0, limits::COUNT_MAX)
}

/// What is on a tile.
pub fn tile_content() -> Object {
    text().max_length(Some(limits::TILE_CONTENT_CHARS_MAX)).pattern(Some("^[^\u{0}]*$")).build()
}

/// What is said about a tile.
pub fn comment_text() -> Object {
    let schema = chars(text(), 1..=limits::CANVAS_CHAT_CHARS_MAX).examples([json!("Nice!")]);
    schema.pattern(Some(INK)).build()
}

/// The place in a list of tiles.
pub fn tile_cursor() -> Object {
    text().pattern(Some("^([0-9]{1,5}_[0-9]{1,5})?$")).build()
}

/// The page size in tiles. Larger values count as the maximum.
pub fn tiles_limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1.0))
        .default(Some(json!(limits::PAGE_TILES_MAX)))
        .description(Some(format!("The page size, at most {}", limits::PAGE_TILES_MAX)))
        .build()
}

/// Types of activities, separated by commas.
pub fn activity_types() -> Object {
    let one = "(tile_created|tile_updated|tile_deleted|tile_liked|tile_commented|tile_comment_deleted|user_activity)";
    text().pattern(Some(format!("^({one}(,{one})*)?$"))).build()
}

/// A user's number.
pub fn user_number() -> Object {
    whole_number(0, limits::COUNT_MAX)
}
