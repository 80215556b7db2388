//! The connections to Redis: how the server is found in each topology, and the few commands that the bridge needs.
//! Subscribing and publishing use separate connections, so that load in one direction never delays the other.

use futures_util::future::try_join_all;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode, Value,
    aio::MultiplexedConnection,
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
    sentinel::{SentinelClientBuilder, SentinelServerType},
};

use super::subscriptions::Direction;
use crate::{
    config::{Place, Redis, RedisTls, Topology},
    limits,
};

/// Receives pushes of Redis; must not block.
pub(super) trait Pushed: Fn(PushInfo) -> Result<(), ()> + Clone + Send + Sync + 'static {}

impl<F: Fn(PushInfo) -> Result<(), ()> + Clone + Send + Sync + 'static> Pushed for F {}

/// Both connections.
pub(super) struct Wires {
    pub subscriber: Wire,
    pub publisher: Wire,
}

/// One connection; cheap to clone, closed with the last clone.
#[derive(Clone)]
pub(super) enum Wire {
    /// To one server.
    Single(MultiplexedConnection),
    /// To all shards, with sharded channels.
    Sharded(ClusterConnection),
}

/// A publication: the channel's name and the payload.
pub(super) type Publication = (String, Vec<u8>);

/// Retries within the cluster's connection, for moved slots. An unreachable shard ends the link instead.
const CLUSTER_RETRIES: u32 = 3;

/// Connects; gives up after `REDIS_CONNECT_MAX`.
pub(super) async fn connect(redis: &Redis, pushed: impl Pushed) -> RedisResult<Wires> {
    match tokio::time::timeout(limits::REDIS_CONNECT_MAX, open(redis, pushed)).await {
        Ok(opened) => opened,
        Err(_) => Err(RedisError::from((ErrorKind::Io, "it does not answer in time"))),
    }
}

async fn open(redis: &Redis, pushed: impl Pushed) -> RedisResult<Wires> {
    let certificates = certificates(&redis.tls)?;
    let client = match &redis.topology {
        Topology::Standalone(place) => Client::open(address(place, &redis.tls))?.get_connection_info().clone(),
        Topology::Sentinel { sentinels, master } => {
            let found = ask_sentinels(redis, sentinels, master, certificates.as_ref()).await?;
            found.get_connection_info().clone()
        }
        Topology::Cluster(nodes) => return open_cluster(redis, nodes, certificates, pushed).await,
    };
    let info = client.set_redis_settings(settings(redis));
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates)?,
        None => Client::open(info)?,
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limits::REDIS_CONNECT_MAX))
        .set_response_timeout(Some(limits::REDIS_RESPONSE_MAX))
        .set_push_sender(pushed);
    let subscriber = client.get_multiplexed_async_connection_with_config(&config).await?;
    let publisher = client.get_multiplexed_async_connection_with_config(&config).await?;
    Ok(Wires { subscriber: Wire::Single(subscriber), publisher: Wire::Single(publisher) })
}

fn address(place: &Place, tls: &RedisTls) -> ConnectionAddr {
    match tls {
        RedisTls::Off => ConnectionAddr::Tcp(place.host.clone(), place.port),
        RedisTls::SystemRoots | RedisTls::RootFile(_) => {
            ConnectionAddr::TcpTls { host: place.host.clone(), port: place.port, insecure: false, tls_params: None }
        }
    }
}

fn settings(redis: &Redis) -> RedisConnectionInfo {
    let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    let info = info.set_db(i64::from(redis.database));
    let info = match &redis.username {
        Some(username) => info.set_username(username),
        None => info,
    };
    match &redis.password {
        Some(password) => info.set_password(password.expose()),
        None => info,
    }
}

fn certificates(tls: &RedisTls) -> RedisResult<Option<TlsCertificates>> {
    match tls {
        RedisTls::Off | RedisTls::SystemRoots => Ok(None),
        // read on each connect, so that a new authority needs no restart
        RedisTls::RootFile(file) => {
            Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(std::fs::read(file)?) }))
        }
    }
}

/// Asks the sentinels for the master. They often have no password even if the master has one, so the first attempt is
/// without.
async fn ask_sentinels(
    redis: &Redis,
    sentinels: &[Place],
    master: &str,
    certificates: Option<&TlsCertificates>,
) -> RedisResult<Client> {
    let builder = || {
        let places = sentinels.iter().map(|place| address(place, &redis.tls));
        let mut builder = SentinelClientBuilder::new(places, master, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(i64::from(redis.database));
        if redis.tls != RedisTls::Off {
            builder =
                builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        if let Some(username) = &redis.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &redis.password {
            builder = builder.set_client_to_redis_password(password.expose());
        }
        RedisResult::Ok(builder)
    };
    let first = builder()?.build()?.async_get_client().await;
    let (Err(_), Some(password)) = (&first, &redis.password) else { return first };
    let mut builder = builder()?.set_client_to_sentinel_password(password.expose());
    if let Some(username) = &redis.username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    builder.build()?.async_get_client().await
}

async fn open_cluster(
    redis: &Redis,
    nodes: &[Place],
    certificates: Option<TlsCertificates>,
    pushed: impl Pushed,
) -> RedisResult<Wires> {
    let infos: RedisResult<Vec<_>> = nodes
        .iter()
        .map(|place| Ok(address(place, &redis.tls).into_connection_info()?.set_redis_settings(settings(redis))))
        .collect();
    let mut builder = ClusterClientBuilder::new(infos?)
        .use_protocol(ProtocolVersion::RESP3)
        .connection_timeout(limits::REDIS_CONNECT_MAX)
        .response_timeout(limits::REDIS_RESPONSE_MAX)
        .overall_response_timeout(Some(limits::REDIS_RESPONSE_MAX))
        .retries(CLUSTER_RETRIES)
        .push_sender(pushed);
    if redis.tls != RedisTls::Off {
        builder = builder.tls(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    let client = builder.build()?;
    let (subscriber, publisher) = (client.get_async_connection().await?, client.get_async_connection().await?);
    Ok(Wires { subscriber: Wire::Sharded(subscriber), publisher: Wire::Sharded(publisher) })
}

impl Wire {
    /// Completes when Redis has confirmed all of them.
    pub(super) async fn change(self, direction: Direction, names: Vec<String>) -> RedisResult<()> {
        match self {
            Wire::Single(mut connection) => match direction {
                Direction::Subscribe => connection.subscribe(names).await,
                Direction::Unsubscribe => connection.unsubscribe(names).await,
            },
            // the channels of one command would have to be in one slot
            Wire::Sharded(connection) => {
                let each = names.into_iter().map(|name| {
                    let mut connection = connection.clone();
                    async move {
                        match direction {
                            Direction::Subscribe => connection.ssubscribe(name).await,
                            Direction::Unsubscribe => connection.sunsubscribe(name).await,
                        }
                    }
                });
                try_join_all(each).await.map(|_| ())
            }
        }
    }

    /// The number of other subscribers of each channel, which this connection must be subscribed to; `None` where an
    /// access rule forbids the question.
    pub(super) async fn others(self, names: Vec<String>) -> RedisResult<Vec<Option<usize>>> {
        match self {
            Wire::Single(mut connection) => {
                let question = redis::cmd("PUBSUB").arg("NUMSUB").arg(&names).take();
                let answer = question.query_async::<Vec<(String, usize)>>(&mut connection).await;
                Ok(allowed(answer)?.map_or_else(|| vec![None; names.len()], |counts| all_but_us(&counts)))
            }
            Wire::Sharded(connection) => {
                let each = names.into_iter().map(|name| {
                    let mut connection = connection.clone();
                    async move {
                        let shard = SingleNodeRoutingInfo::SpecificNode(Route::with_key(&name, SlotAddr::Master));
                        let question = redis::cmd("PUBSUB").arg("SHARDNUMSUB").arg(name).take();
                        let answer = connection.route_command(question, RoutingInfo::SingleNode(shard)).await;
                        let counts =
                            allowed(answer)?.map(redis::from_redis_value::<Vec<(String, usize)>>).transpose()?;
                        Ok(counts.and_then(|counts| all_but_us(&counts).pop().flatten()))
                    }
                });
                try_join_all(each).await
            }
        }
    }

    /// Completes when Redis has accepted all of them.
    pub(super) async fn publish(self, publications: Vec<Publication>) -> RedisResult<()> {
        match self {
            Wire::Single(mut connection) => {
                let mut pipeline = redis::Pipeline::with_capacity(publications.len());
                for (name, payload) in &publications {
                    pipeline.cmd("PUBLISH").arg(name).arg(payload);
                }
                let answers = connection.send_packed_commands(&pipeline, 0, publications.len()).await?;
                answers.into_iter().try_for_each(refusal)
            }
            Wire::Sharded(connection) => {
                let each =
                    publications.into_iter().map(|(name, payload)| {
                        let mut connection = connection.clone();
                        async move {
                            redis::cmd("SPUBLISH").arg(name).arg(payload).query_async::<Value>(&mut connection).await
                        }
                    });
                try_join_all(each).await.map(|_| ())
            }
        }
    }

    /// Checks that every shard answers. With a single server the probe is sufficient.
    pub(super) async fn ping(self) -> RedisResult<()> {
        match self {
            Wire::Single(_) => Ok(()),
            Wire::Sharded(mut connection) => {
                let all =
                    RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, Some(ResponsePolicy::AllSucceeded)));
                connection.route_command(redis::cmd("PING"), all).await.map(|_| ())
            }
        }
    }
}

/// `None` if Redis denied permission.
fn allowed<T>(answer: RedisResult<T>) -> RedisResult<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some("NOPERM") => Ok(None),
        Err(error) => Err(error),
    }
}

fn all_but_us(counts: &[(String, usize)]) -> Vec<Option<usize>> {
    counts.iter().map(|(_, count)| Some(count.saturating_sub(1))).collect()
}

fn refusal(answer: Value) -> RedisResult<()> {
    answer.extract_error().map(|_| ())
}
