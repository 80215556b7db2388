//! What is neither a room nor a socket: the assistant. It works beside the actors that carry messages, by the same typed
//! messages, and knows neither HTTP routes nor a dialect nor a socket.

pub mod ai;
