//! Authentication and authorisation: tokens and their keys, passwords, limits on signing in, and the one function that
//! decides on permissions. It must not know sockets or routes, and must never log a token or a password.

pub mod connection_counts;
pub mod keys;
pub mod limiter;
pub mod passwords;
pub mod policy;
pub mod tokens;
pub mod turn;
