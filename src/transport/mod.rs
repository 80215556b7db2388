//! Bytes and sockets: the WebSocket wire format, the socket that a session owns after the upgrade, and sessions mounted
//! in another program's actix-web App. Nothing here may know a dialect's fields or access a database.

pub mod admission;
pub mod body;
pub mod frame;
mod keep_alive;
mod late_token;
pub mod mounted;
pub mod plain;
pub mod server;
pub mod socket;
pub mod upgrade;
