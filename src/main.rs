//! The command line. It reads the configuration, starts the log, and calls the library. It must hold no server logic, so that
//! programs that embed Convene lose nothing.

// Only tests may panic. Code that cannot fail must prove it, with `#[expect]` and a reason or in another form.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::{
    fmt::Display,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};
use convene::{
    actors::node::Clock,
    app,
    auth::tokens::Signer,
    config::Config,
    core::profile::Role,
    dialects, http,
    ids::UserId,
    logged::one_line,
    store::{Store, TokenUser},
};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A realtime collaboration server: rooms, presence, chat and signalling over WebSockets.
///
/// All settings are environment variables, or entries of a .env file. `convene check-config` prints them.
#[derive(Parser)]
#[command(name = "convene", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The address to listen on, instead of WS_HOST
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on, instead of WS_PORT
    #[arg(long, global = true)]
    port: Option<u16>,
    /// The folder for the embedded database and the secret, instead of DATA_DIR
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<String>,
}

impl Arguments {
    fn overrides(&self) -> [(&'static str, Option<String>); 3] {
        let port = self.port.map(|port| port.to_string());
        [("WS_HOST", self.host.clone()), ("WS_PORT", port), ("DATA_DIR", self.data.clone())]
    }
}

#[derive(Subcommand)]
enum Command {
    /// Serve until stopped by SIGTERM or SIGINT (the default)
    Serve,
    /// Apply pending database migrations and exit (serve does this on every start)
    Migrate,
    /// Print the effective configuration without secrets, or explain which setting is invalid
    CheckConfig,
    /// Check that the server at WS_HOST and WS_PORT responds, for container health checks (no curl needed)
    Health,
    /// Print the OpenAPI document of the REST routes
    Openapi,
    /// Print the AsyncAPI document of the WebSocket messages
    Asyncapi,
    /// Print an access token for a user, signed with this server's secret
    Token(TokenArguments),
}

#[derive(clap::Args)]
struct TokenArguments {
    /// The user's id (the claim `sub`)
    #[arg(long)]
    user: UserId,
    /// The username to store if the user is unknown
    #[arg(long)]
    username: Option<String>,
    /// The e-mail address to store if the user is unknown
    #[arg(long)]
    email: Option<String>,
    /// The role that the token grants
    #[arg(long, value_enum, default_value_t = TokenRole::User)]
    role: TokenRole,
    /// The lifetime of the token; by default ACCESS_TOKEN_MINUTES
    #[arg(long)]
    ttl_seconds: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum TokenRole {
    User,
    Admin,
}

impl From<TokenRole> for Role {
    fn from(role: TokenRole) -> Role {
        match role {
            TokenRole::User => Role::User,
            TokenRole::Admin => Role::Admin,
        }
    }
}

/// The exit code for an invalid configuration, as for an invalid command line. Scripts can tell it apart from a failure.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Databases, uploads and secrets are readable by the user who runs the server only.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let config = match Config::from_env(&arguments.overrides()) {
        Ok(config) => config,
        Err(sentence) => return failed(sentence, ExitCode::from(EXIT_USAGE)),
    };
    start_log(&config.logging.filter);
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => finish(app::run(config)),
        Command::Migrate => finish(migrate(&config)),
        Command::CheckConfig => check_config(&config),
        Command::Health => finish(health(&config)),
        Command::Openapi => print_document(http::openapi::document()),
        Command::Asyncapi => print_document(dialects::asyncapi::text()),
        Command::Token(arguments) => finish(token(&config, arguments)),
    }
}

fn finish<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => failed(sentence, ExitCode::FAILURE),
    }
}

fn failed(sentence: impl Display, code: ExitCode) -> ExitCode {
    complain(sentence);
    code
}

/// Prints a line to standard output. A closed pipe is not an error.
fn print(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Prints a line to standard error. A closed pipe is not an error.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Logs one line per event to standard error, with values as key=value.
fn start_log(filter: &str) {
    env_logger::Builder::new()
        .parse_filters(filter)
        .format(|out, record| {
            let level = record.level().as_str().to_ascii_lowercase();
            writeln!(out, "ts={} level={level} target={} {}", Clock.now(), record.target(), one_line(record.args()))
        })
        .init();
}

fn migrate(config: &Config) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("Can't start a thread for the database: {why}; try again"))?;
    let database = &config.storage.database;
    let applied =
        runtime.block_on(Store::migrate(database.as_str())).map_err(|error| app::unusable(database, &error))?;
    for name in &applied {
        print(format_args!("applied {name}"));
    }
    print(format_args!("{} is up to date", config.storage.database));
    Ok(())
}

fn print_document(text: &str) -> ExitCode {
    print(text);
    ExitCode::SUCCESS
}

/// Prints the settings that were set, then the defaults.
fn check_config(config: &Config) -> ExitCode {
    let (host, port) = (config.listen.host.as_str(), config.listen.port);
    if let Err(why) = (host, port).to_socket_addrs() {
        let sentence = format!("WS_HOST: \"{host}\" can't be resolved ({why}); set it to an address of this machine");
        return failed(sentence, ExitCode::from(EXIT_USAGE));
    }
    let (given, defaults): (Vec<_>, Vec<_>) =
        config.describe().into_iter().partition(|(name, _)| config.is_given(name));
    for (name, value) in given {
        print(format_args!("{name}={value}"));
    }
    print("# defaults");
    for (name, value) in defaults {
        print(format_args!("{name}={value}"));
    }
    for warning in config.warnings() {
        complain(format_args!("warning: {warning}"));
    }
    ExitCode::SUCCESS
}

/// The server is alive if `/healthz` (docs/operations.md) responds within this time.
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);
/// The first byte of a TLS alert (RFC 8446 section 5.1), with which a TLS server responds to plain HTTP.
const TLS_ALERT: u8 = 21;

fn health(config: &Config) -> Result<(), String> {
    let (host, port) = (&config.listen.host, config.listen.port);
    let answer = ask_for_health(host, port).map_err(|why| {
        format!("{host}:{port} does not respond: {why}; check that the server runs with the same WS_HOST and WS_PORT")
    })?;
    let alive = match &config.listen.tls {
        None => answer.starts_with(b"HTTP/1.1 200 "),
        // The process is alive if it refuses plain HTTP. This command does not check the certificate.
        Some(_) => answer.first() == Some(&TLS_ALERT),
    };
    if alive {
        return Ok(());
    }
    Err(format!(
        "{host}:{port} does not respond like a Convene server; check WS_HOST, WS_PORT and which program listens there"
    ))
}

fn ask_for_health(host: &str, port: u16) -> io::Result<Vec<u8>> {
    let nowhere = || io::Error::new(io::ErrorKind::AddrNotAvailable, "the host name has no address");
    let address = (host, port).to_socket_addrs()?.next().ok_or_else(nowhere)?;
    let mut stream = TcpStream::connect_timeout(&reachable(address), HEALTH_PATIENCE)?;
    stream.set_read_timeout(Some(HEALTH_PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; "HTTP/1.1 200 ".len()];
    let length = stream.read(&mut status)?;
    Ok(status.into_iter().take(length).collect())
}

/// A server that listens on all addresses is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn token(config: &Config, arguments: TokenArguments) -> Result<(), String> {
    let secret = config.auth.existing_secret().map_err(|sentence| sentence.to_string())?;
    let user = TokenUser {
        id: arguments.user,
        display_name: arguments.username.clone(),
        username: arguments.username,
        email: arguments.email,
    };
    let lifetime = arguments.ttl_seconds.map_or(config.auth.access_token_lifetime, |s| Duration::from_secs(s.into()));
    let now = Clock.now();
    let expires_at = now.plus_ms(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX));
    let signed = Signer::new(&config.auth, &secret).access(&user, arguments.role.into(), now, expires_at);
    print(signed.map_err(|fault| fault.to_string())?);
    Ok(())
}
