//! Cluster settings: the Redis through which nodes exchange messages.

use std::{fmt, fs, path::PathBuf};

use percent_encoding::percent_decode_str;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{ConfigError, Secret, variables::Variables};

/// Whether there are other nodes, and how to reach them.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// `REDIS_URL`, or built from `REDIS_HOST` and its companions. Without them this node runs alone.
    pub redis: Option<Redis>,
}

/// A Redis or a compatible server.
#[derive(Clone, Debug)]
pub struct Redis {
    /// Its addresses, and how it is set up.
    pub topology: Topology,
    /// How the connection is encrypted.
    pub tls: RedisTls,
    /// The ACL user. Without one, Redis' default user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The database. It does not separate channels; `prefix` does.
    pub database: u16,
    /// `REDIS_PREFIX`: the start of every channel name.
    pub prefix: String,
}

/// How a Redis is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Topology {
    /// One server.
    Standalone(Place),
    /// A master and its replicas, monitored by sentinels.
    Sentinel {
        /// Some of the sentinels.
        sentinels: Vec<Place>,
        /// The master's name in the sentinels.
        master: String,
    },
    /// Redis Cluster, which distributes channels over shards.
    Cluster(Vec<Place>),
}

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// A host name or an address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// TLS to Redis. Certificate and name are always verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RedisTls {
    /// Unencrypted.
    Off,
    /// Verified against the system's CA certificates.
    SystemRoots,
    /// Verified against the CA certificates in this PEM file (`sslrootcert` in the URL).
    RootFile(PathBuf),
}

const URL: &str = "REDIS_URL";
const FORMS: &str = "set it to redis://user:password@host:6379/0, rediss://… for TLS, \
                     redis+sentinel://host:26379,host:26379/master or redis+cluster://host:6379,host:6379";
const PREFIX_DEFAULT: &str = "convene";
const PREFIX_CHARS_MAX: usize = 64;
const PORT_DEFAULT: u16 = 6379;
const SENTINEL_PORT_DEFAULT: u16 = 26379;
/// Redis counts databases from 0. This is far above any configuration in use.
const DATABASE_MAX: u16 = 16_383;

impl Cluster {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Cluster, ConfigError> {
        let prefix = prefix(variables)?;
        // Read even if they are not used, so that an invalid value is always reported.
        let port = variables.number("REDIS_PORT", 1..=u16::MAX, PORT_DEFAULT, "Redis' port, such as 6379")?;
        let database = variables.number("REDIS_DB", 0..=DATABASE_MAX, 0, "the number of a database, such as 0")?;
        let redis = match (variables.text(URL), variables.text("REDIS_HOST")) {
            (Some(url), _) => Some(Redis::parse(&url, prefix)?),
            (None, Some(host)) => Some(Redis::from_parts(variables, Place { host, port }, database, prefix)?),
            (None, None) => None,
        };
        Ok(Cluster { redis })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        if let Some(redis) = &self.redis {
            lines.push((URL, redis.to_string()));
            lines.push(("REDIS_PREFIX", redis.prefix.clone()));
        }
    }

    pub(super) fn warn(&self, database: &str, warnings: &mut Vec<String>) {
        if self.redis.is_some() && database.starts_with("sqlite:") {
            warnings.push(
                "Redis with SQLite connects only nodes on one machine that share the file; for nodes on several machines \
                 set DATABASE_URL to a PostgreSQL database"
                    .into(),
            );
        }
    }
}

fn prefix(variables: &Variables<'_>) -> Result<String, ConfigError> {
    const NAME: &str = "REDIS_PREFIX";
    let prefix = variables.text(NAME).unwrap_or_else(|| PREFIX_DEFAULT.into());
    // No glob characters, because access rules in Redis are patterns over channel names.
    let sound = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    if prefix.len() <= PREFIX_CHARS_MAX && prefix.chars().all(sound) {
        return Ok(prefix);
    }
    Err(ConfigError::value(NAME, &prefix, "is not a valid prefix; set it to up to 64 letters, digits and -_.:/"))
}

impl Redis {
    fn from_parts(
        variables: &Variables<'_>,
        place: Place,
        database: u16,
        prefix: String,
    ) -> Result<Redis, ConfigError> {
        let password = variables.text("REDIS_PASSWORD").map(Secret::new);
        let username = variables.text("REDIS_USERNAME");
        if username.is_some() && password.is_none() {
            return Err(ConfigError::new("REDIS_USERNAME", "has no password; set REDIS_PASSWORD, or unset it"));
        }
        Ok(Redis { topology: Topology::Standalone(place), tls: RedisTls::Off, username, password, database, prefix })
    }

    /// Errors never quote the URL, because it may contain a password.
    fn parse(url: &str, prefix: String) -> Result<Redis, ConfigError> {
        let problem = |what: &str| ConfigError::new(URL, format!("{what}; {FORMS}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| problem("is not a URL"))?;
        let (security, kind) = match scheme.split_once('+') {
            Some((security, kind)) => (security, Some(kind)),
            None => (scheme, None),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let tls = match (security, root_file(query)?) {
            ("redis", None) => RedisTls::Off,
            ("redis", Some(_)) => return Err(problem("has sslrootcert, but does not use TLS")),
            ("rediss", None) => RedisTls::SystemRoots,
            ("rediss", Some(file)) => RedisTls::RootFile(file),
            _ => return Err(problem("is not a Redis URL")),
        };
        let (account, rest) = match rest.rsplit_once('@') {
            Some((account, rest)) => (account, rest),
            None => ("", rest),
        };
        let (username, password) = account_of(account).ok_or_else(|| problem("names a user without a password"))?;
        let (places, path) = rest.split_once('/').unwrap_or((rest, ""));
        let default_port = if kind == Some("sentinel") { SENTINEL_PORT_DEFAULT } else { PORT_DEFAULT };
        let places: Option<Vec<Place>> = places.split(',').map(|place| Place::parse(place, default_port)).collect();
        let mut places = places.ok_or_else(|| problem("has an invalid host or port"))?;
        let (topology, database) = match (kind, places.len()) {
            (None, 1) => (Topology::Standalone(places.remove(0)), path),
            (None, _) => return Err(problem("has several hosts, but redis:// and rediss:// allow only one")),
            (Some("sentinel"), _) => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                let master = decoded(master).filter(|name| !name.is_empty());
                let master = master.ok_or_else(|| problem("does not name the sentinels' master"))?;
                (Topology::Sentinel { sentinels: places, master }, database)
            }
            (Some("cluster"), _) => (Topology::Cluster(places), path),
            (Some(_other), _) => return Err(problem("is not a Redis URL")),
        };
        let number = if database.is_empty() { Some(0) } else { database.parse().ok().filter(|n| *n <= DATABASE_MAX) };
        let database = number.ok_or_else(|| problem("has a database that is not a number"))?;
        if database != 0 && matches!(topology, Topology::Cluster(_)) {
            return Err(problem("has a database, but Redis Cluster supports only database 0"));
        }
        Ok(Redis { topology, tls, username, password, database, prefix })
    }
}

/// User and password. None if a user is given without a password.
fn account_of(account: &str) -> Option<(Option<String>, Option<Secret>)> {
    if account.is_empty() {
        return Some((None, None));
    }
    let (user, password) = account.split_once(':')?;
    let (user, password) = (decoded(user)?, decoded(password)?);
    if password.is_empty() {
        return None;
    }
    Some(((!user.is_empty()).then_some(user), Some(Secret::new(password))))
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

/// The file of `sslrootcert`. It is read here only to report an error at startup.
fn root_file(query: &str) -> Result<Option<PathBuf>, ConfigError> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let mut found = None;
    for (name, value) in pairs {
        if name != "sslrootcert" {
            let problem = format!("has the unknown parameter {name}; the only supported one is sslrootcert");
            return Err(ConfigError::new(URL, problem));
        }
        let file = PathBuf::from(value);
        let unfit = |why: &dyn fmt::Display| {
            let problem = format!("has sslrootcert={}, which can't be used ({why}); name a PEM file", file.display());
            ConfigError::new(URL, problem)
        };
        let text = fs::read(&file).map_err(|why| unfit(&why))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        if certificates.map_err(|why| unfit(&why))?.is_empty() {
            return Err(unfit(&"it contains no certificate"));
        }
        found = Some(file);
    }
    Ok(found)
}

impl Place {
    /// `host`, `host:port`, `[::1]` or `[::1]:port`.
    fn parse(text: &str, default_port: u16) -> Option<Place> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let sound = !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic() && !"/?#@[]".contains(c));
        let port = port.map_or(Some(default_port), |port| port.parse().ok().filter(|port| *port > 0))?;
        sound.then(|| Place { host: host.to_owned(), port })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The URL without user and password.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let security = if self.tls == RedisTls::Off { "redis" } else { "rediss" };
        let list = |places: &[Place]| places.iter().map(Place::to_string).collect::<Vec<_>>().join(",");
        match &self.topology {
            Topology::Standalone(place) => write!(f, "{security}://{place}/{}", self.database)?,
            Topology::Sentinel { sentinels, master } => {
                let master = percent_encoding::utf8_percent_encode(master, percent_encoding::NON_ALPHANUMERIC);
                write!(f, "{security}+sentinel://{}/{master}/{}", list(sentinels), self.database)?;
            }
            Topology::Cluster(nodes) => write!(f, "{security}+cluster://{}", list(nodes))?,
        }
        match &self.tls {
            RedisTls::Off | RedisTls::SystemRoots => Ok(()),
            RedisTls::RootFile(file) => write!(f, "?sslrootcert={}", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{config, refusal},
        *,
    };

    fn redis(url: &str) -> Redis {
        config(&[("REDIS_URL", url)]).unwrap().cluster.redis.unwrap()
    }

    fn place(host: &str, port: u16) -> Place {
        Place { host: host.into(), port }
    }

    #[test]
    fn without_a_variable_there_is_no_redis() {
        assert!(config(&[("REDIS_PORT", "1"), ("REDIS_PASSWORD", "x")]).unwrap().cluster.redis.is_none());
    }

    #[test]
    fn every_form_of_the_url_is_understood() {
        let one = redis("redis://ann:p%40ss%3A@cache:6380/3");
        assert_eq!(one.topology, Topology::Standalone(place("cache", 6380)));
        assert_eq!((one.username.as_deref(), one.database, one.tls), (Some("ann"), 3, RedisTls::Off));
        assert_eq!(one.password.unwrap().expose(), "p@ss:");
        assert_eq!(redis("redis://[::1]").topology, Topology::Standalone(place("::1", 6379)));
        let protected = redis("rediss://:hush@cache");
        assert_eq!((protected.tls, protected.username), (RedisTls::SystemRoots, None));
        let sentinel = redis("redis+sentinel://a,b:7000/the%20master/2");
        let sentinels = vec![place("a", 26379), place("b", 7000)];
        assert_eq!(sentinel.topology, Topology::Sentinel { sentinels, master: "the master".into() });
        assert_eq!(sentinel.database, 2);
        let cluster = redis("rediss+cluster://a:1,b:2");
        assert_eq!(cluster.topology, Topology::Cluster(vec![place("a", 1), place("b", 2)]));
        assert_eq!(cluster.tls, RedisTls::SystemRoots);
    }

    #[test]
    fn the_parts_make_a_redis_and_the_url_wins() {
        let parts = [("REDIS_HOST", "cache"), ("REDIS_PORT", "7"), ("REDIS_PASSWORD", "p@ss"), ("REDIS_DB", "1")];
        let redis = config(&parts).unwrap().cluster.redis.unwrap();
        assert_eq!((redis.topology, redis.database), (Topology::Standalone(place("cache", 7)), 1));
        let both = [("REDIS_HOST", "cache"), ("REDIS_URL", "redis://other")];
        let redis = config(&both).unwrap().cluster.redis.unwrap();
        assert_eq!(redis.topology, Topology::Standalone(place("other", 6379)));
    }

    #[test]
    fn a_wrong_value_is_named_without_the_password() {
        for (url, problem) in [
            ("nonsense", "is not a URL"),
            ("http://:hush@cache", "is not a Redis URL"),
            ("redis+magic://:hush@cache", "is not a Redis URL"),
            ("redis://hush@cache", "names a user without a password"),
            ("redis://:hush@cache:0", "has an invalid host or port"),
            ("redis://:hush@", "has an invalid host or port"),
            ("redis://:hush@a,b", "has several hosts"),
            ("redis://:hush@cache/many", "has a database that is not a number"),
            ("redis+sentinel://:hush@a", "does not name the sentinels' master"),
            ("redis+cluster://:hush@a/1", "supports only database 0"),
            ("redis://:hush@cache?sslrootcert=/x", "has sslrootcert=/x, which can't be used"),
            ("redis://:hush@cache?protocol=3", "has the unknown parameter protocol"),
        ] {
            let sentence = refusal(&[("REDIS_URL", url)]);
            assert!(sentence.starts_with("REDIS_URL: ") && sentence.contains(problem), "{url}: {sentence}");
            assert!(!sentence.contains("hush"), "{sentence}");
        }
        assert!(refusal(&[("REDIS_HOST", "h"), ("REDIS_PORT", "x")]).starts_with("REDIS_PORT: \"x\" is not"));
        assert!(refusal(&[("REDIS_HOST", "h"), ("REDIS_DB", "-1")]).starts_with("REDIS_DB: \"-1\" is not"));
        assert!(refusal(&[("REDIS_HOST", "h"), ("REDIS_USERNAME", "u")]).starts_with("REDIS_USERNAME: has no"));
        assert!(refusal(&[("REDIS_PREFIX", "a*")]).starts_with("REDIS_PREFIX: \"a*\" is not a valid prefix"));
    }

    #[test]
    fn neither_debug_nor_description_show_the_password() {
        let given = config(&[("REDIS_URL", "redis+sentinel://u:hush@a:1/m")]).unwrap();
        let text = format!("{given:?} {:?}", given.describe());
        assert!(!text.contains("hush") && text.contains("redis+sentinel://a:1/m/0"), "{text}");
    }

    #[test]
    fn redis_with_sqlite_is_warned_of() {
        let warnings = |url: &str| config(&[("REDIS_URL", "redis://h"), ("DATABASE_URL", url)]).unwrap().warnings();
        assert!(warnings("sqlite:///x.db")[0].starts_with("Redis with SQLite"));
        assert!(warnings("postgres://u:p@h/d").is_empty());
    }
}
