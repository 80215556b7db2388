//! An administrator's word, an object of the administrator's own making. Clients of this dialect expect it as it was
//! written, told apart by its own `type`; one without a `type` is wrapped.

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    core::command::RawJson,
    dialects::{Encoded, json::Object},
    ids::{RoomName, Timestamp},
};

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    _kind: String,
}

/// Appends it. `room`: for whose members it is; absent: for one user.
pub fn write(data: &RawJson, room: Option<&RoomName>, at: Timestamp, out: &mut Vec<u8>) -> Encoded {
    let text = data.as_str();
    if serde_json::from_str::<Typed>(text).is_ok() && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        out.extend_from_slice(text.as_bytes());
        return Encoded::Text;
    }
    let object = Object::begin(out);
    match room {
        Some(room) => object.text("type", "broadcast").text("room_id", room.as_str()),
        None => object.text("type", "notification"),
    }
    .raw("data", data)
    .plain("timestamp", at)
    .end();
    Encoded::Text
}
