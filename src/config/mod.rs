//! The operator's settings: one documented struct per concern, read and validated once at startup, then passed on. No
//! other module may read environment variables.

mod ai;
mod auth;
mod budgets;
mod calls;
mod cluster;
mod dotenv;
mod files;
mod listen;
mod node;
mod origins;
mod proxies;
mod rooms;
mod secret;
mod secret_files;
mod sockets;
mod spaces;
mod storage;
mod tls;
mod variables;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
};

pub use self::{
    ai::{Ai, AiProvider},
    auth::{Anonymous, Auth, PublicKey, PublicKeyAlgorithm, SecretSource},
    budgets::Budgets,
    calls::{Calls, Turn, TurnCredentials},
    cluster::{Cluster, Place, Redis, RedisTls, Topology},
    files::{Bucket, BucketAddressing, BucketKeys, FilePlace, FileTypes, Files},
    listen::{Administration, InternalListen, Listen},
    node::{Logging, Node},
    origins::Origins,
    proxies::TrustedProxies,
    rooms::Rooms,
    secret::Secret,
    sockets::{Heartbeat, Rates, Sockets},
    spaces::Spaces,
    storage::{DatabaseUrl, Storage},
    tls::TlsFiles,
    variables::ConfigError,
};
use self::{secret_files::SecretFiles, variables::Variables};

/// All settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens, and whom it trusts.
    pub listen: Listen,
    /// What one client may use over HTTP.
    pub budgets: Budgets,
    /// Where data is stored.
    pub storage: Storage,
    /// How this node is connected to other nodes.
    pub cluster: Cluster,
    /// Authentication.
    pub auth: Auth,
    /// Limits and heartbeats of sockets.
    pub sockets: Sockets,
    /// Settings of open rooms.
    pub rooms: Rooms,
    /// Settings of spaces and invites.
    pub spaces: Spaces,
    /// Settings of calls.
    pub calls: Calls,
    /// Where uploads are stored, and their quotas.
    pub files: Files,
    /// Rate limits per user.
    pub rates: Rates,
    /// The assistant.
    pub ai: Ai,
    /// What is logged.
    pub logging: Logging,
    /// This node's name, and how it shuts down.
    pub node: Node,
    /// Which variables were set.
    pub given: Given,
}

/// Which variables were set.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The settings that were set.
    names: BTreeSet<String>,
    /// All settings.
    known: BTreeSet<String>,
    /// A warning for each variable that looks like a misspelled setting.
    unknown: Vec<String>,
    /// The files from which secrets were read.
    files: BTreeMap<&'static str, String>,
}

/// Values from the command line, which override the environment.
pub type Overrides = [(&'static str, Option<String>)];

impl Config {
    /// Reads these overrides, then the process environment, then the file `.env` in the working directory.
    pub fn from_env(overrides: &Overrides) -> Result<Config, ConfigError> {
        let file = dotenv::read(Path::new(".env"))?;
        let find = |name: &str| {
            let by_hand = overrides.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.clone());
            let set = || env::var_os(name).map(|value| value.to_string_lossy().into_owned());
            by_hand.or_else(set).or_else(|| file.get(name).cloned())
        };
        let mut config = Config::from(find)?;
        config.given.unknown = unknown(&file, &config.given.known);
        Ok(config)
    }

    /// Reads any source of variables. An empty value counts as unset. Reads the key, certificate and secret files that the
    /// variables name, and no other files.
    pub fn from(source: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let files = SecretFiles::read(&Variables::new(&source))?;
        let source = |name: &str| files.value(name).cloned().or_else(|| source(name));
        let variables = Variables::new(&source);
        let storage = Storage::read(&variables)?;
        let listen = Listen::read(&variables)?;
        let auth = Auth::read(&variables, &storage.data_dir, listen.reach())?;
        let mut config = Config {
            budgets: Budgets::read(&variables)?,
            files: Files::read(&variables, &storage.data_dir)?,
            storage,
            cluster: Cluster::read(&variables)?,
            auth,
            sockets: Sockets::read(&variables)?,
            rooms: Rooms::read(&variables)?,
            spaces: Spaces::read(&variables)?,
            calls: Calls::read(&variables)?,
            rates: Rates::read(&variables)?,
            ai: Ai::read(&variables)?,
            logging: Logging::read(&variables)?,
            node: Node::read(&variables)?,
            listen,
            given: Given::default(),
        };
        config.given.known = variables.known();
        config.given.known.extend(SecretFiles::names());
        let is_set = |name: &&String| variables.text(name).is_some();
        config.given.names = config.given.known.iter().filter(is_set).cloned().collect();
        config.given.files = files.paths();
        Ok(config)
    }

    /// The effective configuration for display, in the form of an `.env` file, without secrets.
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        self.listen.describe(&mut lines);
        self.budgets.describe(&mut lines);
        self.storage.describe(&mut lines);
        self.cluster.describe(&mut lines);
        self.auth.describe(&mut lines);
        self.sockets.describe(&mut lines);
        self.rooms.describe(&mut lines);
        self.spaces.describe(&mut lines);
        self.calls.describe(&mut lines);
        self.files.describe(&mut lines);
        self.rates.describe(&mut lines);
        self.ai.describe(&mut lines);
        self.logging.describe(&mut lines);
        self.node.describe(&mut lines);
        lines.extend(self.given.files.iter().map(|(name, path)| (*name, path.clone())));
        lines
    }

    /// Whether a line of the description was set by a variable. The others are defaults.
    pub fn is_given(&self, name: &str) -> bool {
        let instead: &[&str] = match name {
            "DATABASE_URL" => &["DB_HOST", "DATABASE"],
            "REDIS_URL" => &["REDIS_HOST"],
            "RUST_LOG" => &["LOG_LEVEL"],
            "WEBSOCKET_PING_TIMEOUT" => &["WEBSOCKET_TIMEOUT"],
            _other => &[],
        };
        self.given.names.contains(name) || instead.iter().any(|name| self.given.names.contains(*name))
    }

    /// Warnings about settings that work but should not be used in production, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.given.unknown.clone();
        self.auth.warn(&mut warnings);
        self.ai.warn(&mut warnings);
        self.cluster.warn(self.storage.database.as_str(), &mut warnings);
        warnings
    }
}

/// Warns about variables that are not settings: all of them in the file, and the possibly misspelled ones in the
/// environment.
fn unknown(file: &BTreeMap<String, String>, known: &BTreeSet<String>) -> Vec<String> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut sentences: Vec<String> = names.filter_map(|name| misspelled("The environment", &name, known)).collect();
    let mut others = Vec::new();
    for name in file.keys().filter(|name| !known.contains(name.as_str())) {
        match misspelled("The file .env", name, known) {
            Some(sentence) => sentences.push(sentence),
            None => others.push(name.as_str()),
        }
    }
    if !others.is_empty() {
        sentences
            .push(format!("The file .env sets variables that are not settings of this server: {}", others.join(", ")));
    }
    sentences
}

fn misspelled(place: &str, name: &str, known: &BTreeSet<String>) -> Option<String> {
    let meant = variables::meant(name, known)?;
    Some(format!("{place} sets {name}, which is not a setting; did you mean {meant}?"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A configuration from these variables alone.
    pub(crate) fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    /// The error for these variables.
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
        assert!(dotenv::read(&folder.path().join(".env")).unwrap().is_empty());
        let path = folder.path().join("broken");
        std::fs::write(&path, "WS_PORT=8001\nnot a line\n").unwrap();
        assert!(dotenv::read(&path).unwrap_err().to_string().starts_with(".env: line 2"));
        std::fs::write(&path, "# comment\nWS_PORT=8001\n").unwrap();
        assert_eq!(dotenv::read(&path).unwrap()["WS_PORT"], "8001");
    }

    #[test]
    fn a_misspelled_setting_is_told() {
        let file = BTreeMap::from(["WS_PROT", "WS_PORT", "GREETING"].map(|name| (name.into(), "hush".into())));
        let sentences = unknown(&file, &config(&[]).unwrap().given.known);
        let said = sentences.join("\n");
        assert!(said.contains("WS_PROT, which is not a setting; did you mean WS_PORT?"), "{said}");
        assert!(said.contains("not settings of this server: GREETING") && !said.contains("hush"), "{said}");
    }

    #[test]
    fn a_description_knows_what_is_a_default() {
        let config = config(&[("DB_HOST", "db"), ("LOG_LEVEL", "WARNING")]).unwrap();
        assert!(config.is_given("DATABASE_URL") && config.is_given("RUST_LOG") && !config.is_given("WS_PORT"));
    }
}
