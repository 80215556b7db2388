//! What is neither a room nor a socket: the assistant, and uploaded files. It works beside the actors that carry messages,
//! by the same typed messages, and may use the store and the settings; it must never know HTTP or a dialect.

pub mod ai;
pub mod files;
