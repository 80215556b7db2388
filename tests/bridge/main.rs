//! Bridges between nodes: the contract that every implementation keeps, and what is promised of Redis besides. A bridge
//! only carries, so this is all that rooms and nodes rely on.

mod contract;
mod fixture;
mod redis;
mod topologies;

#[path = "../support/mod.rs"]
mod support;
