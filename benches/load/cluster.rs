//! Nodes that share one PostgreSQL and one Redis, and the CPU time of all of them.

use crate::Result;
use crate::client::Door;
use crate::options::Common;
use crate::postgres::Postgres;
use crate::process::CpuTime;
use crate::redis::Redis;
use crate::server::Server;
use crate::world::{Layout, World};

/// The shared parts of a cluster. They are started before the generator is pinned, so PostgreSQL and Redis run on any
/// core.
pub struct Cluster {
    postgres: Postgres,
    redis: Redis,
    world: World,
}

/// CPU time of all processes that take part in a delivery.
#[derive(Clone, Copy)]
pub struct Bill {
    pub nodes: CpuTime,
    pub redis: CpuTime,
    pub postgres: CpuTime,
}

impl Bill {
    pub fn since(self, before: Bill) -> Bill {
        Bill {
            nodes: self.nodes.since(before.nodes),
            redis: self.redis.since(before.redis),
            postgres: self.postgres.since(before.postgres),
        }
    }
}

impl Cluster {
    pub fn make(common: &Common, layout: Layout) -> Result<Cluster> {
        let postgres = Postgres::start()?;
        let world = World::make(&common.binary, layout, Some(postgres.url()))?;
        Ok(Cluster { postgres, redis: Redis::start()?, world })
    }

    /// Starts another node.
    pub fn node(&self, common: &Common, name: &str, cores: &str) -> Result<Server> {
        let mut command = self.world.command(&common.binary, common.workers);
        command.environment.push(("REDIS_URL".to_owned(), self.redis.url()));
        command.environment.push(("NODE_NAME".to_owned(), name.to_owned()));
        command.cores = Some(cores.to_owned());
        Server::start(&command)
    }

    /// How `member` connects to `room` on `node`.
    pub fn door(&self, node: &Server, member: usize, room: usize) -> Result<Door> {
        Ok(Door { address: node.address, path: self.world.path(member, room)?, greeting: None })
    }

    /// The CPU time of `nodes`, Redis and PostgreSQL so far.
    pub fn bill(&self, nodes: &[&Server]) -> Result<Bill> {
        let mut total = CpuTime::default();
        for node in nodes {
            total = total.plus(node.cpu_time()?);
        }
        Ok(Bill { nodes: total, redis: self.redis.cpu_time()?, postgres: self.postgres.cpu_time()? })
    }
}
