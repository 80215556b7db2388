//! The address of PostgreSQL and the protection of the connection: `sslmode` and `sslrootcert` in the URL.
//!
//! `disable` (the default, and also used for `prefer`, which protects against nothing) is unencrypted. `require`,
//! `verify-ca` and `verify-full` all verify the certificate's chain and name, against the system's CA certificates or
//! those in `sslrootcert`, because encryption to an unknown peer is worthless.

use std::{str::FromStr, sync::Arc};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{processes::own_name, refusal};
use crate::{limits, store::StoreError};

/// A database address, parsed and validated once.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl FromStr for Target {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Target, StoreError> {
        let Parts { url, ssl_mode, root_file } = split(url);
        let mut config = Config::from_str(&url)
            .map_err(|error| StoreError::Fault(format!("DATABASE_URL is not a valid PostgreSQL URL: {error}")))?;
        config.application_name(own_name()).connect_timeout(limits::STORE_CONNECTION_WAIT);
        config.tcp_user_timeout(limits::STORE_STATEMENT_MAX).keepalives_idle(limits::STORE_STATEMENT_MAX);
        let tls = match ssl_mode.as_deref() {
            None | Some("disable" | "allow" | "prefer") => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            Some("require" | "verify-ca" | "verify-full") => {
                config.ssl_mode(SslMode::Require);
                Some(MakeRustlsConnect::new(client_config(root_file.as_deref())?))
            }
            Some(other) => {
                let sentence =
                    format!("sslmode={other} in DATABASE_URL is unknown; use disable, require or verify-full");
                return Err(StoreError::Fault(sentence));
            }
        };
        Ok(Target { config, tls })
    }
}

impl Target {
    /// A plain session of the driver, without diesel's setup, on a task of the current runtime. Bounded in time,
    /// because a server may accept a connection and never respond.
    pub(super) async fn client(&self) -> Result<Client, StoreError> {
        let dialled = tokio::time::timeout(limits::STORE_HANDSHAKE_MAX, self.dial_plain()).await;
        dialled.map_err(|_elapsed| StoreError::from(silent()))?
    }

    async fn dial_plain(&self) -> Result<Client, StoreError> {
        match &self.tls {
            None => {
                let connected = self.config.connect(NoTls).await;
                let (client, connection) = connected.map_err(|error| refusal::explained(&self.config, &error))?;
                tokio::spawn(connection);
                Ok(client)
            }
            Some(tls) => {
                let connected = self.config.connect(tls.clone()).await;
                let (client, connection) = connected.map_err(|error| refusal::explained(&self.config, &error))?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    }

    /// A new connection on a task of the current runtime, bounded in time as well.
    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        tokio::time::timeout(limits::STORE_HANDSHAKE_MAX, self.dial()).await.map_err(|_elapsed| silent())?
    }

    async fn dial(&self) -> ConnectionResult<AsyncPgConnection> {
        let refused = |error: tokio_postgres::Error| refused(&error);
        match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(refused)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await.map_err(refused)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
        }
    }
}

fn silent() -> ConnectionError {
    ConnectionError::BadConnection("the server accepts connections but does not respond".into())
}

/// The connection could not be established, or broke.
pub(super) fn refused(error: &tokio_postgres::Error) -> ConnectionError {
    ConnectionError::BadConnection(reason(error))
}

/// The driver's error only names its layer; its sources contain the reason.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

struct Parts {
    url: String,
    ssl_mode: Option<String>,
    root_file: Option<String>,
}

/// Removes from the URL what the driver does not know.
fn split(url: &str) -> Parts {
    let Some((base, query)) = url.split_once('?') else {
        return Parts { url: url.into(), ssl_mode: None, root_file: None };
    };
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let rest: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with("sslmode=") && !pair.starts_with("sslrootcert=")).collect();
    let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    Parts { url, ssl_mode: find("sslmode"), root_file: find("sslrootcert") }
}

fn client_config(root_file: Option<&str>) -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    match root_file {
        Some(path) => {
            let unreadable = |error: &dyn std::fmt::Display| {
                StoreError::Fault(format!("sslrootcert={path} in DATABASE_URL can't be used: {error}"))
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(StoreError::Fault(
            "there is no CA certificate to verify the database's certificate; install ca-certificates or name a file \
             with sslrootcert in DATABASE_URL"
                .into(),
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Fault(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_parameters_are_ours_and_the_rest_is_the_drivers() {
        let parts = split("postgres://u@h/d?sslmode=verify-full&application_name=x&sslrootcert=%2Ftmp%2Fca.pem");
        assert_eq!(parts.url, "postgres://u@h/d?application_name=x");
        assert_eq!(parts.ssl_mode.as_deref(), Some("verify-full"));
        assert_eq!(parts.root_file.as_deref(), Some("/tmp/ca.pem"));
        assert_eq!(split("postgres://u@h/d?sslmode=require").url, "postgres://u@h/d");
    }

    #[test]
    fn an_unknown_mode_is_named() {
        let Err(StoreError::Fault(sentence)) = Target::from_str("postgres://u@h/d?sslmode=maybe") else {
            panic!("accepted");
        };
        assert!(sentence.contains("sslmode=maybe"));
    }
}
