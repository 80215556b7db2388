//! The TLS certificate and its key. Both are read at startup, so that a wrong file stops the server with a clear error.

use std::{fs, path::PathBuf, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{ConfigError, variables::Variables};

/// The files of `TLS_CERT_FILE` (the chain, leaf first) and `TLS_KEY_FILE`, both PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
}

const CERTIFICATE: &str = "TLS_CERT_FILE";
const KEY: &str = "TLS_KEY_FILE";

impl TlsFiles {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Option<TlsFiles>, ConfigError> {
        match (variables.text(CERTIFICATE), variables.text(KEY)) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let files = TlsFiles { certificate: certificate.into(), key: key.into() };
                files.server_config()?;
                Ok(Some(files))
            }
            (Some(_), None) => Err(ConfigError::new(KEY, "is missing; set it to the file of the certificate's key")),
            (None, Some(_)) => {
                Err(ConfigError::new(CERTIFICATE, "is missing; set it to the file of the key's certificate"))
            }
        }
    }

    /// The rustls configuration for these files. The caller chooses the protocols to offer (ALPN).
    pub fn server_config(&self) -> Result<ServerConfig, ConfigError> {
        let chain: Vec<CertificateDer<'static>> = pem(CERTIFICATE, &self.certificate).and_then(|text| {
            CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(not_pem(CERTIFICATE))
        })?;
        let key = pem(KEY, &self.key).and_then(|text| PrivateKeyDer::from_pem_slice(&text).map_err(not_pem(KEY)))?;
        let unfit = |why: rustls::Error| {
            ConfigError::new(
                KEY,
                format!("does not match {CERTIFICATE} ({why}); set both to the files of the same certificate"),
            )
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push((CERTIFICATE, self.certificate.display().to_string()));
        lines.push((KEY, self.key.display().to_string()));
    }
}

fn pem(variable: &'static str, path: &PathBuf) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|why| {
        let problem = format!("can't be read ({why}); set it to a PEM file that this user may read");
        ConfigError::value(variable, &path.display().to_string(), problem)
    })
}

fn not_pem(variable: &'static str) -> impl Fn(rustls::pki_types::pem::Error) -> ConfigError {
    move |why| ConfigError::new(variable, format!("is not a PEM file of that kind ({why}); set it to one"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};

    #[test]
    fn a_certificate_and_its_key_are_taken_and_strangers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let ours = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = write("cert.pem", ours.cert.pem());
        let key = write("key.pem", ours.signing_key.serialize_pem());
        let stranger = write("other.pem", other.signing_key.serialize_pem());

        assert!(config(&[("TLS_CERT_FILE", &certificate), ("TLS_KEY_FILE", &key)]).unwrap().listen.tls.is_some());
        assert!(refusal(&[("TLS_CERT_FILE", &certificate)]).starts_with("TLS_KEY_FILE: is missing"));
        assert!(refusal(&[("TLS_CERT_FILE", &certificate), ("TLS_KEY_FILE", &stranger)]).contains("does not match"));
        assert!(refusal(&[("TLS_CERT_FILE", "/nowhere"), ("TLS_KEY_FILE", &key)]).contains("can't be read"));
        assert!(
            refusal(&[("TLS_CERT_FILE", &certificate), ("TLS_KEY_FILE", &certificate)]).starts_with("TLS_KEY_FILE")
        );
    }
}
