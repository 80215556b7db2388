//! Black-box tests of several nodes: real processes over one real PostgreSQL and one real Redis. Each node's
//! connections to them go through a proxy that a test can cut. Each module tests one promise to clients, who must not
//! notice that there is more than one node.

#[path = "../support/mod.rs"]
mod support;

mod administration;
mod assistant;
mod calls;
mod canvas;
mod database_cut;
mod direct;
mod documents;
mod draining;
mod leaving;
mod lifting;
mod limits;
mod lines;
mod metaverse;
mod moderation;
mod nexus;
mod node_death;
mod noise;
mod notifications;
mod recovery;
mod redis_away;
mod repeats;
mod revocation;
mod setting;
mod sheets;
mod spaces;
mod talking;
mod workspace;

use support::load;
