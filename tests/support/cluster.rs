//! Several nodes over one PostgreSQL database and one Redis. Each node's connections to them go through proxies that a
//! test can cut.

use super::ports::free_port;
use super::proxy::{Line, Proxy};
use super::redis::Redis;
use super::{DEADLINE, Postgres, Server, ServerBuilder, User, eventually, rest};

/// The settings of a cluster.
pub struct ClusterBuilder {
    settings: Vec<(Option<usize>, String, String)>,
}

/// One node and its proxies.
pub struct Node {
    pub server: Server,
    /// Its connection to Redis.
    pub redis: Proxy,
    /// Its connection to PostgreSQL.
    pub database: Proxy,
}

/// Running nodes, numbered from 0, and what they share.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub redis: Redis,
    database_url: String,
}

impl ClusterBuilder {
    /// Sets a variable of every node.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((None, name.to_owned(), value.to_string()));
        self
    }

    /// Sets a variable of one node.
    pub fn env_of(mut self, node: usize, name: &str, value: impl ToString) -> Self {
        self.settings.push((Some(node), name.to_owned(), value.to_string()));
        self
    }

    /// Starts this many nodes, one after another (the first creates the schema), and waits until all are ready.
    pub async fn start(self, nodes: usize) -> Cluster {
        let postgres = Postgres::shared();
        let database_url = postgres.create_database().await;
        let mut cluster = Cluster { nodes: Vec::new(), redis: Redis::private(), database_url };
        for index in 0..nodes {
            let (redis, database) = (Proxy::to(cluster.redis.port()), Proxy::to(postgres.port()));
            let name = cluster.database_url.rsplit('/').next().unwrap_or_default();
            let mut builder = Server::builder()
                .env("NODE_NAME", format!("node-{index}"))
                // A node restarts on its port while clients try to reconnect to it.
                .env("WS_PORT", free_port())
                .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port()))
                .env("DATABASE_URL", format!("postgres://convene@127.0.0.1:{}/{name}", database.port()));
            builder = self.settings_of(index, builder);
            cluster.nodes.push(Node { server: builder.start().await, redis, database });
        }
        cluster.all_ready().await;
        cluster
    }

    fn settings_of(&self, node: usize, builder: ServerBuilder) -> ServerBuilder {
        let of_node = self.settings.iter().filter(|(whose, ..)| whose.is_none_or(|whose| whose == node));
        of_node.fold(builder, |builder, (_, name, value)| builder.env(name, value))
    }
}

impl Cluster {
    /// Starts this many nodes with the harness's settings.
    pub async fn start(nodes: usize) -> Cluster {
        Cluster::builder().start(nodes).await
    }

    /// Configures nodes with other settings.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder { settings: Vec::new() }
    }

    /// The server of a node.
    pub fn server(&self, node: usize) -> &Server {
        &self.nodes[node].server
    }

    /// The server of a node, for killing and restarting it.
    pub fn server_mut(&mut self, node: usize) -> &mut Server {
        &mut self.nodes[node].server
    }

    /// Registers users at the first node.
    pub async fn users<const N: usize>(&self, names: [&str; N]) -> [User; N] {
        let mut users = Vec::new();
        for name in names {
            users.push(self.server(0).user(name).await);
        }
        users.try_into().unwrap_or_else(|_| unreachable!("one user per name"))
    }

    /// The same user on another node.
    pub fn at(&self, node: usize, user: &User) -> User {
        user.at(self.server(node))
    }

    /// Waits until a node's readiness has that status. Returns its reason.
    pub async fn wait_ready(&self, node: usize, status: u16) -> String {
        let url = self.server(node).url("/readyz");
        let what = format!("readiness {status} of node {node}");
        eventually(&what, DEADLINE * 2, || async {
            let answer = rest::get(&url).await;
            (answer.status == status).then_some(answer.text)
        })
        .await
    }

    /// Waits until every node is ready.
    pub async fn all_ready(&self) {
        for node in 0..self.nodes.len() {
            self.wait_ready(node, 200).await;
        }
    }

    /// Stops Redis; its state is lost.
    pub fn stop_redis(&mut self) {
        self.redis.stop();
    }

    /// Starts Redis again, empty.
    pub fn start_redis(&mut self) {
        assert!(self.redis.start(), "Redis should start again on its port");
    }

    /// Opens all proxies.
    pub fn heal_lines(&self) {
        for node in &self.nodes {
            node.redis.set(Line::Open);
            node.database.set(Line::Open);
        }
    }

    /// The URL of the database, bypassing the proxies.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }
}
