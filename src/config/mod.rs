//! What the operator decides: one documented struct per concern, read once at the start, checked, then passed on. The
//! only place that reads the environment and files; nothing behind it ever asks for a variable by name.

mod ai;
mod auth;
mod cluster;
mod files;
mod listen;
mod node;
mod origins;
mod proxies;
mod rooms;
mod secret;
mod sockets;
mod storage;
mod tls;
mod variables;

use std::{collections::HashMap, env, io, path::Path};

use self::variables::Variables;
pub use self::{
    ai::{Ai, AiProvider},
    auth::{Anonymous, Auth, PublicKey, PublicKeyAlgorithm, SecretSource},
    cluster::{Cluster, Place, Redis, RedisTls, Topology},
    files::{Bucket, BucketAddressing, BucketKeys, FilePlace, FileTypes, Files},
    listen::Listen,
    node::{Logging, Node},
    origins::Origins,
    proxies::TrustedProxies,
    rooms::Rooms,
    secret::Secret,
    sockets::{Heartbeat, Rates, Sockets},
    storage::{DatabaseUrl, Storage},
    tls::TlsFiles,
    variables::ConfigError,
};

/// Everything that an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens and to whom it answers.
    pub listen: Listen,
    /// Where things are kept.
    pub storage: Storage,
    /// How it is joined to other nodes.
    pub cluster: Cluster,
    /// Who comes in.
    pub auth: Auth,
    /// What a socket may do and how long it may be silent.
    pub sockets: Sockets,
    /// What open rooms are like.
    pub rooms: Rooms,
    /// Where uploads are kept, and how much of them.
    pub files: Files,
    /// How much a user may ask.
    pub rates: Rates,
    /// The assistant.
    pub ai: Ai,
    /// What is logged.
    pub logging: Logging,
    /// This node and how it goes.
    pub node: Node,
}

impl Config {
    /// From the process' environment and, for what is not set there, the file `.env` in the working directory.
    pub fn from_env() -> Result<Config, ConfigError> {
        let file = dotenv(Path::new(".env"))?;
        Config::from(|name| {
            let set = env::var_os(name).map(|value| value.to_string_lossy().into_owned());
            set.or_else(|| file.get(name).cloned())
        })
    }

    /// From any source of variables; an empty value counts as none. Reads the key and certificate files that the
    /// variables name, and nothing else.
    pub fn from(source: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let variables = Variables::new(&source);
        let storage = Storage::read(&variables)?;
        let listen = Listen::read(&variables)?;
        let auth = Auth::read(&variables, &storage.data_dir, listen.reach())?;
        Ok(Config {
            files: Files::read(&variables, &storage.data_dir)?,
            storage,
            cluster: Cluster::read(&variables)?,
            auth,
            sockets: Sockets::read(&variables)?,
            rooms: Rooms::read(&variables)?,
            rates: Rates::read(&variables)?,
            ai: Ai::read(&variables)?,
            logging: Logging::read(&variables)?,
            node: Node::read(&variables)?,
            listen,
        })
    }

    /// The effective configuration for people, in the form of an `.env` file, without any secret.
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        self.listen.describe(&mut lines);
        self.storage.describe(&mut lines);
        self.cluster.describe(&mut lines);
        self.auth.describe(&mut lines);
        self.sockets.describe(&mut lines);
        self.rooms.describe(&mut lines);
        self.files.describe(&mut lines);
        self.rates.describe(&mut lines);
        self.ai.describe(&mut lines);
        self.logging.describe(&mut lines);
        self.node.describe(&mut lines);
        lines
    }

    /// What works, but should not stay so: one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        self.auth.warn(&mut warnings);
        self.ai.warn(&mut warnings);
        self.cluster.warn(self.storage.database.as_str(), &mut warnings);
        warnings
    }
}

fn dotenv(path: &Path) -> Result<HashMap<String, String>, ConfigError> {
    let broken = |why: dotenvy::Error| {
        ConfigError::new(".env", format!("can't be read ({why}); write one NAME=value per line, or remove the file"))
    };
    match dotenvy::from_path_iter(path) {
        Ok(lines) => lines.collect::<Result<_, _>>().map_err(broken),
        Err(dotenvy::Error::Io(why)) if why.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
        Err(why) => Err(broken(why)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A configuration from these variables alone.
    pub(crate) fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    /// The sentence with which these variables are refused.
    pub(crate) fn refusal(variables: &[(&str, &str)]) -> String {
        config(variables).expect_err("this configuration is wrong").to_string()
    }

    #[test]
    fn nothing_set_is_a_working_configuration() {
        let config = config(&[]).unwrap();
        assert_eq!((config.listen.host.as_str(), config.listen.port), ("127.0.0.1", 8000));
        assert_eq!(config.storage.database.as_str(), "sqlite://./data/convene.db");
        assert!(config.warnings().is_empty());
    }

    #[test]
    fn a_number_out_of_range_is_named_with_what_to_do() {
        assert_eq!(
            refusal(&[("WS_PORT", "abc")]),
            "WS_PORT: \"abc\" is not a number from 0 to 65535; set it to a free port, such as 8000"
        );
        assert!(refusal(&[("WORKERS", "0")]).starts_with("WORKERS: \"0\" is not a number from 1"));
        assert!(refusal(&[("WEBSOCKET_REQUESTS_PER_MINUTE", "-1")]).starts_with("WEBSOCKET_REQUESTS_PER_MINUTE:"));
    }

    #[test]
    fn an_empty_value_counts_as_none() {
        assert_eq!(config(&[("WS_PORT", " ")]).unwrap().listen.port, 8000);
    }

    #[test]
    fn a_description_has_no_secret_and_reads_back_as_the_same_configuration() {
        let given = [
            ("JWT_SECRET_KEY", "a secret of more than thirty-two characters"),
            ("DATABASE_URL", "postgres://user:pass%40word@db:5432/convene"),
            ("REDIS_URL", "redis://user:pass%40word@cache:6380/3"),
            ("NODE_NAME", "one"),
            ("ALLOWED_ORIGINS", "https://a.example,http://localhost:3000"),
            ("TRUSTED_PROXIES", "10.0.0.0/8"),
            ("WEBSOCKET_PING_INTERVAL", "5"),
        ];
        let described = config(&given).unwrap().describe();
        let text = format!("{described:?}");
        assert!(!text.contains("a secret of") && !text.contains("pass%40word"), "{text}");
        let again = Config::from(|name| described.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()));
        let mut again = again.unwrap().describe();
        again.retain(|(name, _)| *name != "JWT_SECRET_KEY");
        let mut described = described;
        described.retain(|(name, _)| *name != "JWT_SECRET_KEY");
        assert_eq!(again, described);
    }

    #[test]
    fn a_missing_dotenv_file_is_fine_and_a_broken_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(dotenv(&folder.path().join(".env")).unwrap().is_empty());
        let path = folder.path().join("broken");
        std::fs::write(&path, "WS_PORT=8001\nnot a line\n").unwrap();
        assert!(dotenv(&path).unwrap_err().to_string().starts_with(".env: can't be read"));
        std::fs::write(&path, "# comment\nWS_PORT=8001\n").unwrap();
        assert_eq!(dotenv(&path).unwrap()["WS_PORT"], "8001");
    }
}
