//! The store on both databases: one body per promise, run on a SQLite file and on a real PostgreSQL.

mod accounts;
mod administration;
mod canvases;
mod conversation_list;
mod conversations;
mod devices;
mod documents;
mod effects;
mod faults;
mod files;
mod fixture;
mod groups;
mod invites;
mod log;
mod notifications;
mod properties;
mod queue;
mod repeats;
mod rooms;
mod schema;
mod search;
mod sheets;
mod spaces;
mod standing;
mod tls;
mod tokens;
