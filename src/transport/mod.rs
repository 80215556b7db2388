//! Bytes and sockets: the WebSocket wire format, the socket that a session owns after the upgrade, and the same session
//! inside anybody's actix-web App. Nothing here may know a dialect's fields or touch a database.

pub mod admission;
pub mod body;
pub mod frame;
mod keep_alive;
pub mod mounted;
pub mod plain;
pub mod server;
pub mod socket;
pub mod upgrade;
