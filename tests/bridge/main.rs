//! Bridges between nodes: the contract of every implementation, and additional promises of the bridge over Redis. A
//! bridge only transports messages, so rooms and nodes rely on nothing else.

mod contract;
mod fixture;
mod redis;
mod topologies;

#[path = "../support/mod.rs"]
mod support;
