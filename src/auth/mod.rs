//! Who somebody is, and whether they may: tokens and their keys, passwords, limits on signing in, and the one function
//! that decides on rights. Knows neither sockets nor routes, and never logs a token or a password.

pub mod keys;
pub mod limiter;
pub mod passwords;
pub mod policy;
pub mod tokens;
