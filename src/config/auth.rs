//! Authentication settings: keys, token lifetimes, and limits on signing in and registering.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    ConfigError,
    listen::Reach,
    secret::{self, Secret},
    variables::Variables,
};

/// Keys, token lifetimes, and limits on signing in and registering.
#[derive(Clone, Debug)]
pub struct Auth {
    /// `JWT_SECRET_KEY`, or the file in the data folder.
    pub secret: SecretSource,
    /// `JWT_PUBLIC_KEY_FILE` and `JWT_ALGORITHM`: the issuer whose tokens are accepted in addition to our own.
    pub public_key: Option<PublicKey>,
    /// `JWT_ISSUER`: the required value of `iss`.
    pub issuer: Option<String>,
    /// `JWT_AUDIENCE`: a value that `aud` must contain.
    pub audience: Option<String>,
    /// `ACCESS_TOKEN_MINUTES`.
    pub access_token_lifetime: Duration,
    /// `REFRESH_TOKEN_DAYS`.
    pub refresh_token_lifetime: Duration,
    /// `ALLOW_ANONYMOUS`.
    pub anonymous: Anonymous,
    /// `LOGIN_ATTEMPTS_PER_MINUTE`, per address; 0: no limit.
    pub login_attempts_per_minute: usize,
    /// `REGISTRATIONS_PER_HOUR`, per address; 0: no limit.
    pub registrations_per_hour: usize,
}

/// The source of the secret that signs our tokens.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// From the environment.
    Given(Secret),
    /// Generated at the first start and stored in this file.
    Kept(PathBuf),
}

/// A key that verifies another issuer's tokens.
#[derive(Clone)]
pub struct PublicKey {
    /// The algorithm of these signatures; no other algorithm is accepted with this key.
    pub algorithm: PublicKeyAlgorithm,
    /// The file that the key was read from.
    pub file: PathBuf,
    /// The key in PEM form.
    pub pem: Vec<u8>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm.name(), self.file.display())
    }
}

/// The signature algorithms of public keys (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublicKeyAlgorithm {
    /// RSA PKCS #1 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl PublicKeyAlgorithm {
    /// The name in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            PublicKeyAlgorithm::Rs256 => "RS256",
            PublicKeyAlgorithm::Es256 => "ES256",
            PublicKeyAlgorithm::EdDsa => "EdDSA",
        }
    }

    fn from_name(name: &str) -> Option<PublicKeyAlgorithm> {
        let all = [PublicKeyAlgorithm::Rs256, PublicKeyAlgorithm::Es256, PublicKeyAlgorithm::EdDsa];
        all.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

/// Whether `?user_id=` identifies a user without a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anonymous {
    /// No.
    Refused,
    /// Yes: for local trials.
    Accepted,
}

/// A shorter secret can be guessed from a token (RFC 7518 section 3.2 requires 32 bytes).
const SECRET_BYTES_ADVISED: usize = 32;
const SECRET_TOO_SHORT: &str = "is shorter than 32 bytes and can be guessed; set it to a longer random text, such as the output \
                                of: openssl rand -hex 32";
/// Bounds the number of attempts that a limiter stores per address.
const ATTEMPTS_MAX: usize = 10_000;
/// A year.
const ACCESS_MINUTES_MAX: u64 = 365 * 24 * 60;
/// Ten years.
const REFRESH_DAYS_MAX: u64 = 3_650;

impl Auth {
    pub(super) fn read(variables: &Variables<'_>, data_dir: &Path, reach: Reach) -> Result<Auth, ConfigError> {
        let attempts = |name, default: usize| {
            variables.number(name, 0..=ATTEMPTS_MAX, default, &format!("a number such as {default}, or 0 for no limit"))
        };
        let minutes = variables.number("ACCESS_TOKEN_MINUTES", 1..=ACCESS_MINUTES_MAX, 60, "minutes, such as 60")?;
        let days = variables.number("REFRESH_TOKEN_DAYS", 1..=REFRESH_DAYS_MAX, 30, "days, such as 30")?;
        Ok(Auth {
            secret: match variables.text("JWT_SECRET_KEY") {
                Some(text) if text.len() < SECRET_BYTES_ADVISED && reach == Reach::Network => {
                    return Err(ConfigError::new("JWT_SECRET_KEY", SECRET_TOO_SHORT));
                }
                Some(text) => SecretSource::Given(Secret::new(text)),
                None => SecretSource::Kept(data_dir.join("jwt_secret")),
            },
            public_key: public_key(variables)?,
            issuer: variables.text("JWT_ISSUER"),
            audience: variables.text("JWT_AUDIENCE"),
            access_token_lifetime: Duration::from_secs(minutes * 60),
            refresh_token_lifetime: Duration::from_secs(days * 24 * 60 * 60),
            anonymous: anonymous(variables, reach)?,
            login_attempts_per_minute: attempts("LOGIN_ATTEMPTS_PER_MINUTE", 10)?,
            registrations_per_hour: attempts("REGISTRATIONS_PER_HOUR", 20)?,
        })
    }

    /// The secret. Without `JWT_SECRET_KEY`, the first call generates and stores one. Nodes and commands that share a
    /// data folder get the same secret, even when they start at the same time.
    pub fn secret(&self) -> Result<Secret, ConfigError> {
        match &self.secret {
            SecretSource::Given(secret) => Ok(secret.clone()),
            SecretSource::Kept(path) => secret::load_or_create(path),
        }
    }

    /// The secret of an existing server. Never generates one.
    pub fn existing_secret(&self) -> Result<Secret, ConfigError> {
        match &self.secret {
            SecretSource::Given(secret) => Ok(secret.clone()),
            SecretSource::Kept(path) => secret::load(path),
        }
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push((
            "JWT_SECRET_KEY",
            match &self.secret {
                SecretSource::Given(_) => "(given)".to_owned(),
                SecretSource::Kept(path) => format!("(kept in {})", path.display()),
            },
        ));
        if let Some(key) = &self.public_key {
            lines.push(("JWT_ALGORITHM", key.algorithm.name().to_owned()));
            lines.push(("JWT_PUBLIC_KEY_FILE", key.file.display().to_string()));
        }
        lines.extend(self.issuer.iter().map(|issuer| ("JWT_ISSUER", issuer.clone())));
        lines.extend(self.audience.iter().map(|audience| ("JWT_AUDIENCE", audience.clone())));
        lines.push(("ACCESS_TOKEN_MINUTES", (self.access_token_lifetime.as_secs() / 60).to_string()));
        lines.push(("REFRESH_TOKEN_DAYS", (self.refresh_token_lifetime.as_secs() / (24 * 60 * 60)).to_string()));
        lines.push(("ALLOW_ANONYMOUS", (self.anonymous == Anonymous::Accepted).to_string()));
        lines.push(("LOGIN_ATTEMPTS_PER_MINUTE", self.login_attempts_per_minute.to_string()));
        lines.push(("REGISTRATIONS_PER_HOUR", self.registrations_per_hour.to_string()));
    }

    pub(super) fn warn(&self, warnings: &mut Vec<String>) {
        if let SecretSource::Given(secret) = &self.secret
            && secret.expose().len() < SECRET_BYTES_ADVISED
        {
            warnings.push(format!("JWT_SECRET_KEY {SECRET_TOO_SHORT}"));
        }
        if self.anonymous == Anonymous::Accepted {
            let sentence = "ALLOW_ANONYMOUS is set: anybody who reaches this address can act as any user; unset it after the trial";
            warnings.push(sentence.into());
        }
    }
}

fn anonymous(variables: &Variables<'_>, reach: Reach) -> Result<Anonymous, ConfigError> {
    const NAME: &str = "ALLOW_ANONYMOUS";
    let Some(text) = variables.text(NAME) else { return Ok(Anonymous::Refused) };
    match (text.to_ascii_lowercase().as_str(), reach) {
        ("0" | "false" | "no" | "off", _) => Ok(Anonymous::Refused),
        ("1" | "true" | "yes" | "on", Reach::Loopback) => Ok(Anonymous::Accepted),
        ("1" | "true" | "yes" | "on", Reach::Network) => Err(ConfigError::new(
            NAME,
            "lets anybody act as any user and is only allowed on a loopback address; unset it, or set WS_HOST to 127.0.0.1",
        )),
        (_other, _) => Err(ConfigError::value(NAME, &text, "is neither true nor false; set it to one of them")),
    }
}

fn public_key(variables: &Variables<'_>) -> Result<Option<PublicKey>, ConfigError> {
    const FILE: &str = "JWT_PUBLIC_KEY_FILE";
    const ALGORITHM: &str = "JWT_ALGORITHM";
    let file = variables.text(FILE);
    let name = variables.text(ALGORITHM);
    let algorithm = name.as_deref().map(|name| (name, PublicKeyAlgorithm::from_name(name)));
    match (file, algorithm) {
        (None, None) => Ok(None),
        (None, Some((name, None))) if name.eq_ignore_ascii_case("HS256") => Ok(None),
        (None, Some((name, Some(_)))) => {
            Err(ConfigError::new(FILE, format!("is missing; set it to the PEM file of the {name} public key")))
        }
        (_, Some((name, None))) => Err(ConfigError::value(
            ALGORITHM,
            name,
            "can't be used here; set it to RS256, ES256 or EdDSA with JWT_PUBLIC_KEY_FILE, or unset both for HS256",
        )),
        (Some(_), None) => Err(ConfigError::new(
            ALGORITHM,
            "is missing; set it to the algorithm of the key in JWT_PUBLIC_KEY_FILE: RS256, ES256 or EdDSA",
        )),
        (Some(file), Some((_, Some(algorithm)))) => {
            let pem = fs::read(&file).map_err(|why| {
                ConfigError::value(
                    FILE,
                    &file,
                    format!("can't be read ({why}); set it to a PEM file that this user may read"),
                )
            })?;
            Ok(Some(PublicKey { algorithm, file: file.into(), pem }))
        }
    }
}

impl PublicKey {
    /// The error for a file without such a key.
    pub fn unfit(&self) -> ConfigError {
        let problem =
            format!("contains no {} public key in PEM form; set it to a file with one", self.algorithm.name());
        ConfigError::value("JWT_PUBLIC_KEY_FILE", &self.file.display().to_string(), problem)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};
    use super::*;

    #[test]
    fn anonymous_users_stay_on_this_machine() {
        let anonymous = |host| config(&[("ALLOW_ANONYMOUS", "true"), ("WS_HOST", host)]).map(|c| c.auth.anonymous);
        assert_eq!(anonymous("127.0.0.1"), Ok(Anonymous::Accepted));
        assert!(anonymous("0.0.0.0").unwrap_err().to_string().starts_with("ALLOW_ANONYMOUS: lets anybody"));
        let off = config(&[("ALLOW_ANONYMOUS", "false"), ("WS_HOST", "0.0.0.0")]).unwrap();
        assert_eq!(off.auth.anonymous, Anonymous::Refused);
        assert!(refusal(&[("ALLOW_ANONYMOUS", "maybe")]).contains("neither true nor false"));
    }

    #[test]
    fn a_short_secret_is_warned_of() {
        assert_eq!(config(&[("JWT_SECRET_KEY", "short")]).unwrap().warnings().len(), 1);
        let refused = refusal(&[("JWT_SECRET_KEY", "short"), ("WS_HOST", "0.0.0.0")]);
        assert!(refused.starts_with("JWT_SECRET_KEY: is shorter") && !refused.contains("short\""), "{refused}");
        assert!(config(&[("JWT_SECRET_KEY", &"x".repeat(32))]).unwrap().warnings().is_empty());
    }

    #[test]
    fn a_public_key_needs_its_algorithm_and_the_other_way_round() {
        assert!(config(&[("JWT_ALGORITHM", "HS256")]).unwrap().auth.public_key.is_none());
        assert!(refusal(&[("JWT_ALGORITHM", "RS256")]).starts_with("JWT_PUBLIC_KEY_FILE: is missing"));
        assert!(refusal(&[("JWT_PUBLIC_KEY_FILE", "/k.pem")]).starts_with("JWT_ALGORITHM: is missing"));
        assert!(refusal(&[("JWT_ALGORITHM", "none")]).starts_with("JWT_ALGORITHM: \"none\" can't be used"));
        let both = [("JWT_ALGORITHM", "HS256"), ("JWT_PUBLIC_KEY_FILE", "/k.pem")];
        assert!(refusal(&both).starts_with("JWT_ALGORITHM: \"HS256\" can't be used"));
        let absent = [("JWT_ALGORITHM", "RS256"), ("JWT_PUBLIC_KEY_FILE", "/nowhere.pem")];
        assert!(refusal(&absent).starts_with("JWT_PUBLIC_KEY_FILE: \"/nowhere.pem\" can't be read"));
    }
}
